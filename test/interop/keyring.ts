/** A stand-in for `@napi-rs/keyring` that keeps its items in a file, found by the same `require`. */
import * as fs from "node:fs"
import Module from "node:module"
import * as path from "node:path"

const source = `
const fs = require("node:fs"), file = require("node:path").join(__dirname, "items.json")
const load = () => {
  if (fs.existsSync(file + ".locked")) throw new Error("Couldn't access secret-platform storage")
  return JSON.parse(fs.readFileSync(file, "utf8"))
}
exports.Entry = class {
  constructor(service, account, options) { this.service = service; this.account = account; this.options = options }
  at() { return this.options?.linux?.store === "secret-service" ? load() : {} }
  getPassword() { return this.at()[this.service]?.[this.account] ?? null }
  setPassword(password) {
    const items = this.at()
    fs.writeFileSync(file, JSON.stringify({ ...items, [this.service]: { ...items[this.service], [this.account]: password } }))
  }
}
exports.findCredentials = (service) =>
  Object.entries(load()[service] ?? {}).map(([account, password]) => ({ account, password }))
`

export interface StandIn {
  /** For a process that is to find it. */
  readonly env: { readonly NODE_PATH: string }
  readonly put: (service: string, account: string, secret: unknown) => void
  readonly get: (service: string, account: string) => unknown
  readonly lock: () => void
  /** Unlocked, and with nothing in it. */
  readonly reset: () => void
}

/** The package under `folder`. */
export const make = (folder: string): StandIn => {
  const modules = path.join(folder, "keyring")
  const place = path.join(modules, "@napi-rs/keyring")
  const file = path.join(place, "items.json")
  fs.mkdirSync(place, { recursive: true })
  fs.writeFileSync(path.join(place, "index.js"), source)
  fs.writeFileSync(file, "{}")
  const load = () => JSON.parse(fs.readFileSync(file, "utf8"))
  return {
    env: { NODE_PATH: modules },
    put: (service, account, secret) => {
      const items = load()
      const item = { ...items[service], [account]: JSON.stringify(secret) }
      fs.writeFileSync(file, JSON.stringify({ ...items, [service]: item }))
    },
    get: (service, account) => JSON.parse(load()[service][account]),
    lock: () => fs.writeFileSync(`${file}.locked`, ""),
    reset: () => {
      fs.rmSync(`${file}.locked`, { force: true })
      fs.writeFileSync(file, "{}")
    },
  }
}

/** Has this process look for packages in the stand-in's folder too. What it found once it finds for good. */
export const use = ({ env }: StandIn): void => {
  process.env["NODE_PATH"] = env.NODE_PATH
  ;(Module as unknown as { readonly _initPaths: () => void })._initPaths()
}
