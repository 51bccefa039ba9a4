/**
 * One row of the table of providers: what is said of each, by whom, and how sure that is.
 *
 * **Invariant**: by construction, doubtful knowledge never loosens anything. A cell that is `unsure` is shown and not
 * used, the strict default of `generic` stands in its place; and what a server does with a reused refresh token is taken
 * from the source of the vendor or of the program alone, not from reports.
 */
import { generic, type ProviderProfile, type Scopes, type Spelling } from "../ProviderProfile.ts"

/**
 * `verified`: seen in the server's or its own client's source, or running. `documented`: the vendor says so. `reported`:
 * somebody else does. `unsure`: sources contradict each other, an installation may differ, or nobody has looked.
 */
export type Certainty = "verified" | "documented" | "reported" | "unsure"

export interface Cell<A> {
  readonly value: A
  /** Where it is written: a page, a repository, an issue, or the specification that every server follows. */
  readonly source: string
  readonly certainty: Certainty
}

const cell =
  (certainty: Certainty) =>
  <const A>(value: A, source: string): Cell<A> => ({ value, source, certainty })

export const verified = cell("verified")
export const documented = cell("documented")
export const reported = cell("reported")
export const unsure = cell("unsure")

/** What a row says about; the rest is as at any other server. */
export interface Cells {
  readonly authorizeParams?: Cell<ProviderProfile["authorizeParams"]>
  readonly offlineParams?: Cell<ProviderProfile["offlineParams"]>
  readonly scopes?: Cell<Partial<Scopes>>
  readonly sendResource?: Cell<boolean>
  readonly scopeOnRefresh?: Cell<boolean>
  readonly clientAuth?: Cell<ProviderProfile["clientAuth"]>
  readonly requestBody?: Cell<ProviderProfile["requestBody"]>
  readonly accessTokenOptional?: Cell<boolean>
  readonly expirySource?: Cell<ProviderProfile["expirySource"]>
  readonly reuse?: Cell<ProviderProfile["reuse"]>
  /** A whole sentence, said to a person who got no refresh token. */
  readonly refreshTokenRule?: Cell<string>
}

export interface Row {
  readonly id: string
  readonly name: string
  readonly match: ReadonlyArray<string>
  readonly cells: Cells
  readonly spellings: ReadonlyArray<Cell<Spelling>>
}

/** The value of a cell that may be relied on. */
const sure = <A>(cell: Cell<A> | undefined): A | undefined =>
  cell === undefined || cell.certainty === "unsure" ? undefined : cell.value

/** Whether a cell's word is good enough to be less strict than the strictest. */
export const loosens = ({ certainty }: Cell<unknown>): boolean => certainty === "verified" || certainty === "documented"

/** What the program does at this provider: the row without what is doubtful. */
export const profileOf = ({ cells, id, match, name, spellings }: Row): ProviderProfile => ({
  id,
  name,
  match,
  authorizeParams: sure(cells.authorizeParams) ?? generic.authorizeParams,
  offlineParams: sure(cells.offlineParams) ?? generic.offlineParams,
  scopes: { ...generic.scopes, ...sure(cells.scopes) },
  sendResource: sure(cells.sendResource) ?? generic.sendResource,
  scopeOnRefresh: sure(cells.scopeOnRefresh) ?? generic.scopeOnRefresh,
  clientAuth: sure(cells.clientAuth) ?? generic.clientAuth,
  requestBody: sure(cells.requestBody) ?? generic.requestBody,
  accessTokenOptional: sure(cells.accessTokenOptional) ?? generic.accessTokenOptional,
  expirySource: sure(cells.expirySource) ?? generic.expirySource,
  reuse: cells.reuse !== undefined && loosens(cells.reuse) ? cells.reuse.value : generic.reuse,
  spellings: spellings.flatMap((spelling) => sure(spelling) ?? []),
  refreshTokenRule: sure(cells.refreshTokenRule) ?? generic.refreshTokenRule,
})

const strict = { class: "strict", graceMillis: 0 } as const
export const reuse = {
  strict,
  notRotating: { class: "notRotating", graceMillis: 0 },
  untilSuccessorUsed: { class: "untilSuccessorUsed", graceMillis: 0 },
  rejectOnly: { class: "rejectOnly", graceMillis: 0 },
  idempotent: (seconds: number) => ({ class: "idempotent", graceMillis: seconds * 1000 }) as const,
  fork: (seconds: number) => ({ class: "fork", graceMillis: seconds * 1000 }) as const,
} as const
