/**
 * Builds `dist`: the library file by file, and the command line as two bundles.
 *
 * | output | from | form |
 * |---|---|---|
 * | `dist/**\/*.js`, `.d.ts`, maps | `src`, without `src/cli` | ESM; dependencies stay imports |
 * | `dist/cli/tokenkeep.cjs` | `src/cli/fast.ts` | CommonJS (3 ms faster to start than ESM), loads no library |
 * | `dist/cli/main.mjs` | `src/cli/main.ts` | ESM, everything bundled but `undici`, which only a request needs |
 *
 * It builds beside `dist` and swaps at the end, so that a process that runs the old build meanwhile finds its files.
 */
import { execFile } from "node:child_process"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { promisify } from "node:util"
import { build } from "rolldown"
import type { RolldownOutput } from "rolldown"

const root = path.dirname(import.meta.dirname)
const dist = path.join(root, "dist")
const next = path.join(root, `.dist-${process.pid}`)
const cli = path.join(next, "cli")

const library = async (): Promise<void> => {
  const tsc = path.join(root, "node_modules/typescript/bin/tsc")
  await promisify(execFile)(process.execPath, [tsc, "-p", path.join(root, "tsconfig.build.json"), "--outDir", next])
}

/** The fast path hands over to the other bundle by its built name; the sources know it by its own. */
const handOver = {
  name: "hand-over",
  resolveId: (id: string) =>
    /\/main\.(ts|mjs)$/.test(id) ? { id: "./main.mjs", external: "relative" as const } : null,
}

const fast = async (): Promise<void> => {
  const file = path.join(cli, "tokenkeep.cjs")
  const { output } = await build({
    input: path.join(root, "src/cli/fast.ts"),
    platform: "node",
    plugins: [handOver],
    external: [/^node:/],
    output: { file, format: "cjs", minify: true, banner: "#!/usr/bin/env node" },
  })
  const foreign = bundledPackages(output)
  if (foreign.length > 0) throw new Error(`src/cli/fast.ts must load no library, but reaches ${foreign.join(", ")}`)
  await fs.chmod(file, 0o755)
}

const main = async (): Promise<void> => {
  const { output } = await build({
    input: { main: path.join(root, "src/cli/main.ts") },
    platform: "node",
    external: [/^node:/, "undici"],
    output: {
      dir: cli,
      format: "esm",
      minify: true,
      entryFileNames: "[name].mjs",
      chunkFileNames: "[name]-[hash].mjs",
    },
  })
  await fs.writeFile(path.join(cli, "LICENSES.txt"), await licences(bundledPackages(output)))
}

/** The folders of the packages whose code is in the bundle. */
const bundledPackages = (output: RolldownOutput["output"]): ReadonlyArray<string> => {
  const modules = output.flatMap((chunk) => (chunk.type === "chunk" ? chunk.moduleIds : []))
  const folders = modules.flatMap((id) => id.match(/^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/) ?? [])
  return [...new Set(folders)].toSorted()
}

/** Bundled code keeps its authors' notices. */
const licences = async (packages: ReadonlyArray<string>): Promise<string> => {
  const notices = await Promise.all(
    packages.map(async (folder) => {
      const { name, version } = JSON.parse(await fs.readFile(path.join(folder, "package.json"), "utf8"))
      const file = (await fs.readdir(folder)).find((entry) => /^licen[cs]e/i.test(entry))
      return `${name} ${version}\n\n${file ? await fs.readFile(path.join(folder, file), "utf8") : ""}`
    }),
  )
  return notices.join(`\n${"-".repeat(80)}\n`)
}

const started = performance.now()
try {
  // All of them come to an end before a failure is reported, so that nobody writes into a folder that is being removed.
  const failed = (await Promise.allSettled([library(), fast(), main()])).find(({ status }) => status === "rejected")
  if (failed?.status === "rejected") throw failed.reason
  // `tokenkeep diagram --format svg` prints the picture that was drawn from the same machine (scripts/models.ts).
  await fs.copyFile(path.join(root, "models/lifecycle.svg"), path.join(cli, "lifecycle.svg"))
  await fs.rm(dist, { recursive: true, force: true })
  await fs.rename(next, dist)
  console.log(`built dist in ${Math.round(performance.now() - started)} ms`)
} catch (error) {
  // `tsc` writes its findings to stdout, and `execFile` keeps them on the error.
  const { stdout, message } = error as Error & { stdout?: string }
  console.error(stdout || message)
  process.exitCode = 1
} finally {
  await fs.rm(next, { recursive: true, force: true })
}
