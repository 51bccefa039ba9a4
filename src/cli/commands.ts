/** All commands under one root, and the parser that tells them apart. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliError from "effect/cli/CliError"
import * as Command from "effect/cli/Command"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import manifest from "../../package.json" with { type: "json" }
import { dockerCredential, gitCredential } from "./commands/credentialHelper.ts"
import { diagram } from "./commands/diagram.ts"
import { doctor } from "./commands/doctor.ts"
import { exec } from "./commands/exec.ts"
import { explain } from "./commands/explain.ts"
import { explore } from "./commands/explore.ts"
import { importGrant } from "./commands/import.ts"
import { list } from "./commands/list.ts"
import { login } from "./commands/login.ts"
import { logout } from "./commands/logout.ts"
import { providers } from "./commands/providers.ts"
import { proxy } from "./commands/proxy.ts"
import { seal, unseal } from "./commands/seal.ts"
import { status } from "./commands/status.ts"
import { testingServer } from "./commands/testingServer.ts"
import { token } from "./commands/token.ts"
import * as Presenter from "./presenter.ts"
import type { CommandError } from "./report.ts"
import { Usage } from "./Usage.ts"

export const tokenkeep = Command.make("tokenkeep").pipe(
  Command.withDescription("Keeps OAuth tokens alive: one access token that works, whoever else is refreshing it."),
  Command.withSubcommands([
    { group: "Tokens", commands: [token, status, list, explain, doctor] },
    { group: "Grants", commands: [login, importGrant, logout] },
    { group: "The store", commands: [seal, unseal] },
    { group: "Other programs", commands: [exec, proxy, gitCredential, dockerCredential] },
    { group: "How it works", commands: [providers, diagram] },
    { group: "Testing", commands: [explore, testingServer] },
  ]),
  Command.withExamples([
    { command: "tokenkeep import grant.json --name github", description: "Take a grant over, once" },
    { command: "tokenkeep token github", description: "Then ask for a token whenever one is needed" },
    { command: "source <(tokenkeep --completions bash)", description: "Completions for this shell" },
  ]),
)

/** The parser presents what it complains about; this is for what it may come to say otherwise. */
const misunderstood = new Usage({ message: "this cannot be understood. See: tokenkeep --help" })

const builtIns = [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions]

export const run = (argv: ReadonlyArray<string>): Effect.Effect<void, CommandError> =>
  Command.runWith(tokenkeep, { version: manifest.version })(argv).pipe(
    Effect.mapError((error) => (!CliError.isCliError(error) || error._tag === "ShowHelp" ? error : misunderstood)),
    Effect.provide(Layer.mergeAll(NodeServices.layer, Presenter.layer, CliConfig.layer({ builtIns }))),
  )
