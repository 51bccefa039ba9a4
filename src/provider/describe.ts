/**
 * The table of providers as people read it: every cell with its value, its source, how sure that is, and what is done where
 * the word is not relied on. For `tokenkeep providers` and `models/providers.md`.
 */
import { rows } from "./builtIn.ts"
import { generic, type ProviderProfile, type Spelling } from "./ProviderProfile.ts"
import { everywhere } from "./spellings.ts"
import { type Cell, type Certainty, loosens, profileOf, type Row } from "./table/Row.ts"

/** One cell in words. `instead` is there when the program does something else. */
export interface Described {
  readonly label: string
  readonly value: string
  readonly instead?: string
  readonly source: string
  readonly certainty: Certainty
}

const pairs = (params: Readonly<Record<string, string>>): string =>
  Object.entries(params)
    .map(([name, value]) => `${name}=${value}`)
    .join(" ") || "none"

const quoted = (text: string): string => (text === " " ? "a space" : text)

const scopeWords = (scopes: Partial<ProviderProfile["scopes"]>): string =>
  [
    scopes.defaults?.length ? `by default ${scopes.defaults.join(" ")}` : [],
    scopes.add?.length ? `always ${scopes.add.join(" ")}` : [],
    scopes.addIfAdvertised?.length ? `${scopes.addIfAdvertised.join(" ")} where advertised` : [],
    scopes.never?.length ? `never ${scopes.never.join(" ")}` : [],
    scopes.separator === undefined || scopes.separator === " " ? [] : `separated by ${quoted(scopes.separator)}`,
  ]
    .flat()
    .join(", ") || "as asked"

export const reuseWords = ({ class: name, graceMillis }: ProviderProfile["reuse"]): string =>
  graceMillis > 0 ? `${name}, ${graceMillis / 1000} s of grace` : name

/** One spelling as a person would quote it. */
const spellingWords = ({ code, phrase, status }: Spelling): string =>
  [
    ...(status === undefined ? [] : [String(status)]),
    ...(code === "" ? [] : [code]),
    ...(phrase === undefined ? [] : [`“${phrase}”`]),
  ].join(" ")

const meaning: Record<Spelling["means"], string> = {
  rejected: "dead",
  expired: "dead, expired",
  reused: "dead, used twice",
  revoked: "dead, revoked",
  clientRejected: "misconfigured",
  passing: "passing",
}

/** What each cell says, in the order in which a sign-in and then a refresh need it. */
const words: {
  readonly [K in keyof Row["cells"]]-?: readonly [label: string, of: (profile: ProviderProfile) => string]
} = {
  refreshTokenRule: ["a refresh token", (profile) => profile.refreshTokenRule],
  authorizeParams: ["authorization parameters", (profile) => pairs(profile.authorizeParams)],
  offlineParams: ["with offline_access", (profile) => pairs(profile.offlineParams)],
  scopes: ["scopes", (profile) => scopeWords(profile.scopes)],
  sendResource: ["resource (RFC 8707)", (profile) => (profile.sendResource ? "sent" : "not sent")],
  scopeOnRefresh: ["scope with a refresh", (profile) => (profile.scopeOnRefresh ? "sent" : "not sent")],
  clientAuth: ["client secret", (profile) => profile.clientAuth],
  requestBody: ["body of a refresh", (profile) => profile.requestBody],
  accessTokenOptional: [
    "answer without an access token",
    (profile) => (profile.accessTokenOptional ? "keeps it" : "is spoiled"),
  ],
  expirySource: ["expiry from", (profile) => profile.expirySource],
  reuse: ["a reused refresh token", (profile) => reuseWords(profile.reuse)],
}

type Name = keyof typeof words

/** What the program does at this provider, by the same labels as the cells. */
export const inUse = (profile: ProviderProfile): ReadonlyArray<readonly [label: string, value: string]> => [
  ...Object.values(words).map(([label, of]) => [label, of(profile)] as const),
  ...profile.spellings.map((spelling) => [meaning[spelling.means], spellingWords(spelling)] as const),
]

const cellOf = (row: Row, name: Name, cell: Cell<unknown>): Described => {
  const [label, of] = words[name]
  const asIfSure = profileOf({ ...row, cells: { [name]: { ...cell, certainty: "verified" } } })
  const stated = name === "scopes" ? scopeWords(row.cells.scopes?.value ?? {}) : of(asIfSure)
  const used = of(profileOf(row))
  const trusted = name === "reuse" ? loosens(cell) : cell.certainty !== "unsure"
  const { certainty, source } = cell
  return { label, value: stated, ...(!trusted && used !== stated && { instead: used }), source, certainty }
}

/** The cells of a row, and then its spellings. */
export const describe = (row: Row): ReadonlyArray<Described> => [
  ...(Object.keys(words) as Array<Name>).flatMap((name) => {
    const cell = row.cells[name]
    return cell === undefined ? [] : [cellOf(row, name, cell)]
  }),
  ...row.spellings.map(({ certainty, source, value }) => ({
    label: meaning[value.means],
    value: spellingWords(value),
    ...(certainty === "unsure" && { instead: "passing" }),
    source,
    certainty,
  })),
]

const line = (...columns: ReadonlyArray<string>): string =>
  `| ${columns.map((column) => column.replaceAll("|", "\\|")).join(" | ")} |`

const table = (head: ReadonlyArray<string>, body: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => [
  line(...head),
  line(...head.map(() => "---")),
  ...body.map((row) => line(...row)),
  "",
]

/** The whole table as Markdown, without a title. */
export const markdown = (): string =>
  [
    "What the program knows of each authorization server, who says so, and how sure that is. `verified`: seen in the source",
    "of the server or of its own client, or running; `documented`: the vendor says so; `reported`: somebody else does;",
    "`unsure`: sources contradict each other, installations differ, or nobody has looked. A cell that is unsure is not used:",
    "the strict default stands in its place (→). What a server does with a reused refresh token is never taken from reports.",
    "",
    "A provider is recognized by its issuer, or by its token endpoint when no issuer is known; `--provider ID` names one.",
    "Nothing in the table has to be changed to add another: see `tokenkeep providers --help`.",
    "",
    ...table(
      ["id", "provider", "a reused refresh token", "recognized by"],
      rows.map((row) => [
        `[${row.id}](#${row.id})`,
        row.name,
        reuseWords(profileOf(row).reuse),
        row.match.map((pattern) => `\`${pattern}\``).join(" ") || "its name only",
      ]),
    ),
    `## ${generic.id}`,
    "",
    "Any other server, and every cell that a provider does not mention.",
    "",
    ...table(
      ["what", "value"],
      Object.values(words).map(([label, of]) => [label, of(generic)]),
    ),
    "Spellings that mean the same wherever they were seen. Another 4xx is passing: it is tried again with growing pauses.",
    "",
    ...table(
      ["means", "spelling"],
      everywhere.map((spelling) => [meaning[spelling.means], spellingWords(spelling)]),
    ),
    ...rows.flatMap((row) => [
      `## ${row.id}`,
      "",
      `${row.name}.`,
      "",
      ...table(
        ["what", "value", "source", "certainty"],
        describe(row).map(({ certainty, instead, label, source, value }) => [
          label,
          instead === undefined ? value : `${value} → ${instead}`,
          source,
          certainty,
        ]),
      ),
    ]),
  ].join("\n")
