/** The profiles that come with the program: the rows of `table/`, and the one for everybody else. */
import { generic, type ProviderProfile } from "./ProviderProfile.ts"
import { agents } from "./table/agents.ts"
import { identity } from "./table/identity.ts"
import { profileOf, type Row } from "./table/Row.ts"
import { services } from "./table/services.ts"

export const rows: ReadonlyArray<Row> = [...services, ...identity, ...agents]

export const builtIn: ReadonlyArray<ProviderProfile> = [...rows.map(profileOf), generic]
