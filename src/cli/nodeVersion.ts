/** The oldest Node that has what tokenkeep needs; the same number as `engines` in package.json. Imports nothing. */
const oldest = [22, 19] as const

/** What to tell somebody whose Node is too old; `undefined` when it is not. */
export const tooOld = (version: string): string | undefined => {
  const [major = 0, minor = 0] = version.split(".").map(Number)
  const fits = major > oldest[0] || (major === oldest[0] && minor >= oldest[1])
  return fits ? undefined : `tokenkeep needs Node ${oldest.join(".")} or newer, and this is ${version}.`
}
