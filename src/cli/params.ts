/** What several commands share. The complaints of arguments and flags never repeat the value: it may be a secret. */
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import { credentialNameRule, isCredentialName } from "../interop/CredentialName.ts"
import { durationRule, parseDuration } from "./duration.ts"

const toName = Option.liftPredicate(isCredentialName)

export const nameArgument = Argument.String("NAME").pipe(
  Argument.filterMap(toName, () => credentialNameRule),
  Argument.withDescription("The credential's name"),
)

export const nameFlag = Flag.String("name").pipe(
  Flag.withMetavar("NAME"),
  Flag.filterMap(toName, () => credentialNameRule),
)

export const durationFlag = (name: string) =>
  Flag.String(name).pipe(
    Flag.withMetavar("DURATION"),
    Flag.filterMap(
      (text) => Option.fromNullishOr(parseDuration(text)),
      () => durationRule,
    ),
  )

export const jsonFlag = Flag.Boolean("json").pipe(
  Flag.withDescription("Print JSON, for programs"),
  Flag.withDefault(false),
  Flag.withoutNegation,
)

/** Lines of a description, indented as the help indents the first. */
export const paragraphs = (...lines: ReadonlyArray<string>): string => lines.join("\n  ").replaceAll(/ +$/gm, "")
