/** Leaks secrets in the way that the environment names, each of which a search has to find. */
import { assert, it } from "@effect/vitest"
import * as ChildProcess from "node:child_process"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { register, temporaryFolder } from "../run.ts"

const secret = `simulated-${Crypto.randomBytes(12).toString("hex")}-rt-1`

/** As a server makes it that we did not write. */
const foreign = Crypto.randomBytes(24).toString("base64url")

const ways: Readonly<Record<string, () => void>> = {
  nothing: () => {
    // What is meant to hold secrets.
    Fs.writeFileSync(Path.join(temporaryFolder("planted"), "keep.db-wal"), secret)
    Fs.mkdirSync(Path.join(temporaryFolder("planted"), "given"))
    register([foreign])
  },
  console: () => console.log(`said: ${secret}`),
  stderr: () => void process.stderr.write(btoa(`client:${secret}`)),
  child: () =>
    void ChildProcess.spawnSync(process.execPath, ["-e", `console.error(${JSON.stringify(secret)})`], {
      stdio: "inherit",
    }),
  file: () => Fs.writeFileSync(Path.join(temporaryFolder("planted"), "log.txt"), `a line\n${secret}`),
  name: () => Fs.writeFileSync(Path.join(temporaryFolder("planted"), secret), ""),
  foreign: () => {
    register([foreign])
    Fs.writeFileSync(Path.join(temporaryFolder("planted"), "log.txt"), encodeURIComponent(foreign))
  },
  failure: () => assert.strictEqual(secret, "another"),
}

it("leaks", () => ways[process.env["PLANTED"]!]!())
