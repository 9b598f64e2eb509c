// Other programs as hosts: what they said is kept for when something fails.

import { spawn } from "node:child_process";

/** Starts a program; `stop` ends it, and resolves when it has ended, however often it is asked. */
export function start(command, args) {
  const child = spawn(command, args);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output = (output + data).slice(-4000)));
  const ended = new Promise((resolve) => child.on("exit", resolve));
  return {
    output: () => output,
    hasEnded: () => child.exitCode !== null,
    async stop() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}
