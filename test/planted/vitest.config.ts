/** A run of the tests that leaks: `test/run.test.ts` starts it, and wants it to fail. */
import { defineConfig } from "vitest/config"

// oxlint-disable-next-line import/no-default-export -- Vitest reads no other
export default defineConfig({
  test: {
    include: ["planted.ts"],
    root: import.meta.dirname,
    globalSetup: "../run.ts",
    pool: "forks",
    reporters: ["default", "json"],
    outputFile: { json: process.env["PLANTED_REPORT"]! },
  },
})
