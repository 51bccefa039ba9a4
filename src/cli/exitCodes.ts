/** What the process's exit code says. Other people's scripts depend on these numbers. */
export const exitCodes = {
  done: 0,
  defect: 1,
  usage: 2,
  signInRequired: 3,
  tryAgainLater: 4,
  storeUnavailable: 5,
} as const

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

/** As the help prints them. */
export const exitCodeTable: ReadonlyArray<readonly [code: ExitCode, meaning: string]> = [
  [0, "done"],
  [2, "usage: a wrong flag, name or document"],
  [3, "a person must sign in"],
  [4, "try again later; stderr says when"],
  [5, "the store cannot be used"],
  [1, "a defect in tokenkeep"],
]
