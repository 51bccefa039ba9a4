/** The provider profiles that people have written: `providers/ID.json` in the home folder. */
import * as Array from "effect/Array"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import * as path from "node:path"
import { InvalidProfile, parse } from "../provider/ProfileFile.ts"
import { type Known, make, Profiles } from "../provider/Profiles.ts"
import type { ProviderProfile } from "../provider/ProviderProfile.ts"

export const folderOf = (home: string): string => path.join(home, "providers")

export const fileOf = (home: string, id: string): string => path.join(folderOf(home), `${id}.json`)

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? "unknown"

/** The profile in a file. Fails with a message that names the file. */
export const read = (file: string): Result.Result<ProviderProfile, InvalidProfile> => {
  try {
    return parse(file, fs.readFileSync(file, "utf8"))
  } catch (error) {
    const id = path.basename(file).replace(/\.json$/i, "")
    return Result.fail(new InvalidProfile({ id, message: `${file}: cannot be read (${codeOf(error)})` }))
  }
}

const filesIn = (folder: string): ReadonlyArray<string> => {
  try {
    return fs
      .readdirSync(folder)
      .filter((name) => name.endsWith(".json"))
      .toSorted()
      .map((name) => path.join(folder, name))
  } catch {
    // Nobody has written one, or nobody may look: who names one is told that it is not there.
    return []
  }
}

/** What is known with the files of this home folder. Never fails: a file that cannot be used is among the broken ones. */
export const known = (home: string): Known => {
  const [own, broken] = Array.partition(filesIn(folderOf(home)), read)
  return make(own, broken)
}

/**
 * Keeps the profile of `file` in the home folder, under its own name, so that every process knows it at each refresh.
 * Fails when it is no profile or cannot be written; in the place of an earlier one it is put whole.
 */
export const keep = (home: string, file: string): Result.Result<ProviderProfile, InvalidProfile> => {
  const profile = read(file)
  if (Result.isFailure(profile)) return profile
  const { id } = profile.success
  const target = fileOf(home, id)
  if (path.resolve(file) === path.resolve(target)) return profile
  try {
    fs.mkdirSync(folderOf(home), { recursive: true, mode: 0o700 })
    const draft = `${target}.${process.pid}`
    fs.writeFileSync(draft, fs.readFileSync(file), { mode: 0o600 })
    fs.renameSync(draft, target)
    return profile
  } catch (error) {
    return Result.fail(new InvalidProfile({ id, message: `${target}: cannot be written (${codeOf(error)})` }))
  }
}

export const layer = ({ home }: { readonly home: string }): Layer.Layer<never> =>
  Layer.succeed(
    Profiles,
    Effect.sync(() => known(home)),
  )
