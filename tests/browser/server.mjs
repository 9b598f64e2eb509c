// The built server on free ports with a data folder of its own.

import { spawn, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, existsSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, dirname } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../..");

/** The built server. */
export function binary() {
  const target = process.env.CARGO_TARGET_DIR ?? join(ROOT, "target");
  const found = [process.env.VITRINE_BINARY, join(target, "debug/vitrine"), join(target, "release/vitrine")].find(
    (path) => path && existsSync(path),
  );
  if (!found) throw new Error("build the server first: cargo build");
  return found;
}

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer().listen(0, () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
    probe.on("error", reject);
  });
}

export class Server {
  static async start(name, settings = {}) {
    const server = new Server();
    server.name = name;
    server.data = mkdtempSync(join(tmpdir(), "vitrine-browser-"));
    server.port = await freePort();
    server.settings = settings;
    await server.launch();
    return server;
  }

  get url() {
    return `http://localhost:${this.port}`;
  }

  /** Of the first shard, where the settings name one. */
  get mediaPort() {
    return Number(this.settings.VITRINE_MEDIA_PORT);
  }

  get environment() {
    const own = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("VITRINE_")));
    return {
      ...own,
      VITRINE_HTTP_LISTEN: `[::]:${this.port}`,
      VITRINE_MEDIA_PORT: "0",
      VITRINE_MEDIA_SHARDS: "2",
      VITRINE_DATA_DIR: this.data,
      ...this.settings,
    };
  }

  async launch() {
    this.output = "";
    this.process = spawn(binary(), [], { env: this.environment });
    this.ended = new Promise((resolve) => this.process.on("exit", resolve));
    const keep = (data) => (this.output = (this.output + data).slice(-40_000));
    this.process.stdout.on("data", keep);
    this.process.stderr.on("data", keep);
    const until = Date.now() + 30_000;
    for (;;) {
      const ready = await fetch(`${this.url}/readyz`).then(
        (response) => response.ok,
        () => false,
      );
      if (ready) return;
      if (Date.now() > until || this.process.exitCode !== null) throw new Error(`the server did not start\n${this.output}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** A token by the server's own command. */
  token(...scopes) {
    const args = ["token", "--room", "demo", ...scopes.flatMap((scope) => ["--scope", scope])];
    return execFileSync(binary(), args, { env: this.environment, encoding: "utf8" }).trim().split("\n").at(-1);
  }

  /** What an audit of the ledger says; throws when the books differ. */
  audit() {
    return execFileSync(binary(), ["audit"], { env: this.environment, encoding: "utf8" });
  }

  async kill(signal = "SIGKILL") {
    this.process.kill(signal);
    return this.ended;
  }

  async stop() {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      const patience = setTimeout(() => this.process.kill("SIGKILL"), 10_000);
      await this.kill("SIGTERM");
      clearTimeout(patience);
    }
    rmSync(this.data, { recursive: true, force: true });
  }

  tail() {
    return this.output.split("\n").slice(-25).join("\n");
  }
}
