/** What a call costs while the token is valid: against the least code that could do it, and against another library. */
import { OAuth2Client } from "google-auth-library"
import { openKeeper } from "../../src/promise.ts"
import { interleaved, nanos, ratio } from "./measure.ts"
import type { Row } from "./report.ts"
import * as Server from "./server.ts"

const hour = 3_600_000

export const calls = async (): Promise<ReadonlyArray<Row>> => {
  const place = await Server.open()
  await place.grant("bench", 10 * hour)
  await using keeper = await openKeeper({ home: place.home })
  const credential = keeper.credential("bench")
  await credential.token()
  const google = new OAuth2Client({ clientId: "bench" })
  google.setCredentials({
    access_token: Server.secret("access", 200),
    refresh_token: Server.secret("refresh", 100),
    expiry_date: Date.now() + 10 * hour,
  })

  // Everybody reads the length of the token and adds it up, so that nothing can be left out.
  const variable = Server.secret("access", 200)
  let length = 0
  const bare = async (): Promise<string> => (Date.now() > 0 ? variable : "")
  const sync = await interleaved(
    {
      bare: (times) => {
        for (let i = 0; i < times; i++) if (Date.now() > 0) length += variable.length
      },
      peek: (times) => {
        for (let i = 0; i < times; i++) length += credential.peek()!.length
      },
    },
    { times: 100_000 },
  )
  const async = await interleaved(
    {
      bare: async (times) => {
        for (let i = 0; i < times; i++) length += (await bare()).length
      },
      token: async (times) => {
        for (let i = 0; i < times; i++) length += (await credential.token()).length
      },
      google: async (times) => {
        for (let i = 0; i < times; i++) length += (await google.getAccessToken()).token!.length
      },
    },
    { times: 30_000 },
  )
  await place.close()
  if (length === 0) throw new Error("nothing was measured")

  return [
    {
      what: "peek(), against a variable and Date.now()",
      value: ratio(sync.peek, sync.bare),
      unit: "×",
      target: { is: "at most", value: 1.5 },
      note: `${nanos(sync.peek)}, bare ${nanos(sync.bare)}`,
    },
    {
      what: "await token() while valid, against a bare async function",
      value: ratio(async.token, async.bare),
      unit: "×",
      target: { is: "at most", value: 1.5 },
      note: `${nanos(async.token)}, bare ${nanos(async.bare)}`,
    },
    {
      what: "await token() while valid, against google-auth-library",
      value: ratio(async.token, async.google),
      unit: "×",
      target: { is: "less than", value: 1 },
      note: `its getAccessToken() ${nanos(async.google)}, ${ratio(async.google, async.bare).toFixed(2)}× of bare`,
    },
  ]
}
