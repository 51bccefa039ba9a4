/**
 * The folder that holds the credentials: `TOKENKEEP_HOME`, or else the platform's place for a user's data.
 *
 * It imports nothing, because the command line's fast path reads it too. A relative XDG path is ignored, as that
 * specification asks.
 */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly platform: string
  /** The user's own folder, asked for only when the environment does not say it. */
  readonly homedir: () => string
}

export const homeFolder = ({ env, homedir, platform }: Surroundings): string => {
  if (env["TOKENKEEP_HOME"]) return env["TOKENKEEP_HOME"]
  if (platform === "win32") return `${env["LOCALAPPDATA"] || `${homedir()}\\AppData\\Local`}\\tokenkeep`
  const user = env["HOME"] || homedir()
  if (platform === "darwin") return `${user}/Library/Application Support/tokenkeep`
  return env["XDG_DATA_HOME"]?.startsWith("/") ? `${env["XDG_DATA_HOME"]}/tokenkeep` : `${user}/.local/share/tokenkeep`
}

/** Those of this process. */
export const current = (): Surroundings => ({
  env: process.env,
  platform: process.platform,
  homedir: () => process.getBuiltinModule("node:os").homedir(),
})

/** The folder of this process. */
export const currentHome = (): string => homeFolder(current())
