/** A request that cannot be carried out as it was made; what it names is not a secret. */
import * as Schema from "effect/Schema"

export class Usage extends Schema.TaggedError<Usage>()("Usage", { message: Schema.String }) {}
