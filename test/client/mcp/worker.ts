/**
 * A process with an MCP client: `node worker.ts HOME`. It takes a line of JSON to connect, then one with a number to make
 * so many calls at once, and answers each with a line. Errors leave it by name only.
 */
import { createInterface } from "node:readline"
import { openKeeper } from "../../../src/promise.ts"
import { type Client, connect, type Setup } from "./clients.ts"

export type Wish = { readonly connect: Setup } | { readonly call: number }

export interface Called {
  readonly ok: number
  readonly browsers: number
  readonly errors: ReadonlyArray<string>
}

// The SDK says on the console what it does about a failure. Here it is counted.
console.warn = () => {}
const keeper = await openKeeper({ home: process.argv[2] })
let client: Client | undefined

const carryOut = async (wish: Wish): Promise<Called | "connected"> => {
  if ("connect" in wish) {
    await client?.close()
    client = await connect(wish.connect, keeper)
    // What 1.x sends of its own accord after connecting has been answered too, then.
    await client.call()
    return "connected"
  }
  const settled = await Promise.allSettled(Array.from({ length: wish.call }, () => client!.call()))
  const failed = settled.filter((each) => each.status === "rejected")
  const names = failed.map(({ reason }) => String((reason as Error)?.constructor?.name ?? reason))
  return { ok: settled.length - failed.length, browsers: client!.browsers(), errors: [...new Set(names)] }
}

console.log(JSON.stringify("ready"))
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await carryOut(JSON.parse(line) as Wish)))
}
