/** Tests mirror `src`. Processes and not threads: tests change the environment, start children and hold file locks. */
import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: "test/run.ts",
    pool: "forks",
    maxWorkers: 2,
    // Generous, because a test that starts processes shares its two cores with other tests; a hang still ends the run.
    testTimeout: 20_000,
    hookTimeout: 120_000,
  },
})
