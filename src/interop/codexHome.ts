/** Codex's own folder, and what it says about where Codex keeps its logins. */
import * as Crypto from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import type { Surroundings } from "../store/home.ts"
import { folderOf } from "./ForeignStore.ts"

export const folder = (surroundings: Surroundings): string => folderOf(surroundings, ["CODEX_HOME"], ".codex")

/** Its real path, as far as there is one: Codex tells its keyring entries apart by that. */
export const realFolder = (surroundings: Surroundings): string => {
  try {
    return fs.realpathSync.native(folder(surroundings))
  } catch {
    return folder(surroundings)
  }
}

/** The keyring account of this folder's login to ChatGPT. */
export const account = (surroundings: Surroundings): string =>
  `cli|${Crypto.createHash("sha256").update(realFolder(surroundings)).digest("hex").slice(0, 16)}`

/**
 * A setting out of the part of config.toml that is before its first table: a text on one line. Everything else is taken
 * for not set, and so is all of it where a text over several lines could be mistaken for a setting.
 */
export const setting = (surroundings: Surroundings, name: string): string | undefined => {
  try {
    const [top = ""] = fs.readFileSync(path.join(folder(surroundings), "config.toml"), "utf8").split(/^\s*\[/m)
    if (/"""|'''/.test(top)) return undefined
    return new RegExp(`^\\s*${name}\\s*=\\s*(["'])([a-z]*)\\1\\s*(?:#.*)?$`, "m").exec(top)?.[2]
  } catch {
    return undefined
  }
}

/** Why Codex does not read the file: what `name` is set to. */
export const unread = (surroundings: Surroundings, name: string): string | undefined => {
  const mode = setting(surroundings, name)
  return mode === "keyring" || mode === "ephemeral"
    ? `Codex does not read it: config.toml says ${name} = "${mode}"`
    : undefined
}

/**
 * On Linux, Codex has a second copy of its keyring entries in the kernel's keyring and reads that one first. It bears a
 * name that the package does not write under (`keyring-rs:…`, where that writes `keyring:…`), so that Codex would go on
 * with the token that was spent.
 */
export const keyringRefusal = ({ platform }: Surroundings, name: string): string | undefined =>
  platform === "linux"
    ? `on Linux Codex reads its own copy in the kernel's keyring first, which cannot be written from here: set ${name} = "file" in config.toml and sign in there again`
    : undefined
