/** system.mjs - the whole system for a test: ./dev up's supervisor on a folder and ports of its own. */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const READY_MS = 60_000;

let nextPort = 18_000;

export class System {
  /** Start it and wait until it says that it is ready; `settings` are its environment's. */
  static async start(options = [], settings = {}) {
    const system = new System();
    system.port = nextPort;
    nextPort += 20;
    system.data = mkdtempSync(join(tmpdir(), "rt-"));
    system.url = `http://localhost:${system.port}`;
    const build = process.env.RT_BUILD ?? join(ROOT, "build/asan");
    const args = ["tools/dev_up.py", "--build", build, "--port", String(system.port), "--data", system.data, ...options];
    system.output = "";
    system.process = spawn("/usr/bin/python3", args, {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...settings },
    });
    system.exited = new Promise((resolve) => system.process.on("exit", resolve));
    const hear = (chunk) => (system.output += chunk);
    system.process.stdout.on("data", hear);
    system.process.stderr.on("data", hear);
    const deadline = Date.now() + READY_MS;
    while (!system.output.includes("ready http")) {
      if (system.process.exitCode !== null || Date.now() > deadline) {
        throw new Error(`the system did not start:\n${system.output}\n${system.logs()}`);
      }
      await sleep(50);
    }
    return system;
  }

  /** @param {"api" | "realtimed" | "sfu"} name */
  pid(name) {
    return Number(readFileSync(join(this.data, `run/${name}.pid`), "utf8"));
  }

  kill(name) {
    process.kill(this.pid(name), "SIGKILL");
  }

  logs() {
    return ["sfu", "realtimed", "api"]
      .map((name) => join(this.data, `log/${name}.log`))
      .filter(existsSync)
      .map((path) => `--- ${path}\n${readFileSync(path, "utf8").slice(-6000)}`)
      .join("\n");
  }

  /** As the administrator, with the key that was told at the start. */
  async admin(method, path) {
    return this.api(method, path, undefined, undefined, { Authorization: `ApiKey ${this.output.match(/api key (\S+)/)[1]}` });
  }

  async api(method, path, body, type = "application/json", extra = {}) {
    const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
    const headers = { ...(text ? { "Content-Type": type } : {}), ...extra };
    const response = await fetch(this.url + path, { method, body: text, headers });
    const answer = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      text: answer,
      json: response.headers.get("content-type")?.includes("json") ? JSON.parse(answer) : null,
    };
  }

  async stop() {
    this.process.kill("SIGTERM");
    await this.exited;
    const logs = this.logs();
    rmSync(this.data, { recursive: true, force: true });
    const found = logs.match(/(ERROR: (Address|Leak|Undefined|Thread)Sanitizer|runtime error:).*/);
    if (found) throw new Error(`a sanitizer complained: ${found[0]}\n${logs}`);
  }
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Ask until the answer is truthy; the last answer or error is told when time is up. */
export async function until(what, ask, timeoutMs = 15_000, everyMs = 100) {
  const deadline = Date.now() + timeoutMs;
  let last;
  do {
    try {
      last = await ask();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    await sleep(everyMs);
  } while (Date.now() < deadline);
  throw new Error(`waited ${timeoutMs} ms for: ${what}; last: ${last instanceof Error ? last.stack : JSON.stringify(last)}`);
}
