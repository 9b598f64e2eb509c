// Holds the pages' scripts against the protocol: the golden messages against the schema, `web/protocol.d.ts` against
// the schema, and all scripts of `web/` against those types. `UPDATE=1` writes the types anew.

import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import Ajv from "ajv/dist/2020.js";
import { compile } from "json-schema-to-typescript";

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = join(HERE, "../..");
const read = (path) => readFileSync(join(ROOT, path), "utf8");
const schema = (side) => JSON.parse(read(`overlay/schema/${side}.json`));

function checkGoldens(side) {
  const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
  const isValid = ajv.compile(schema(side));
  const folder = `overlay/tests/golden/${side}`;
  for (const file of readdirSync(join(ROOT, folder))) {
    if (!isValid(JSON.parse(read(join(folder, file))))) {
      throw new Error(`${folder}/${file} is not as the schema has it: ${ajv.errorsText(isValid.errors).slice(0, 2000)}`);
    }
  }
  // A schema that takes anything proves nothing.
  for (const wrong of [{}, { v: 1, t: "no such kind", at: 1 }, { v: 1, t: side === "client" ? "buy" : "stock", at: 1 }]) {
    if (isValid(wrong)) throw new Error(`the ${side}'s schema takes ${JSON.stringify(wrong)}`);
  }
}

/** What stands beside a reference or a choice counts, too; the writer of types overlooks it there. */
function beside(value) {
  if (Array.isArray(value)) return value.map(beside);
  if (typeof value !== "object" || value === null) return value;
  const inner = Object.fromEntries(Object.entries(value).map(([name, each]) => [name, beside(each)]));
  const { $ref, oneOf, anyOf, description, ...rest } = inner;
  if (!rest.properties || !($ref || oneOf || anyOf)) return inner;
  const choices = [$ref && { $ref }, oneOf && { oneOf }, anyOf && { anyOf }].filter(Boolean);
  return { ...(description ? { description } : {}), allOf: [...choices, rest] };
}

/** The client's schema with other names for what the server has under the same name with other fields: a product is sent without what only the server counts. */
function apart(client, server) {
  const differs = (name) => server.$defs[name] && JSON.stringify(server.$defs[name]) !== JSON.stringify(client.$defs[name]);
  const name = Object.keys(client.$defs).find(differs);
  if (!name) return client;
  const { [name]: definition, ...others } = client.$defs;
  const text = JSON.stringify({ ...client, $defs: { ...others, [`Sent${name}`]: definition } });
  // Whatever is made of it differs by it.
  return apart(JSON.parse(text.replaceAll(`"#/$defs/${name}"`, `"#/$defs/Sent${name}"`)), server);
}

async function types() {
  // Both sides share what messages are made of: one set of definitions.
  const server = schema("server");
  const client = apart(schema("client"), server);
  const definitions = { ...client.$defs, ...server.$defs };
  for (const [name, side] of [["FromClient", client], ["FromServer", server]]) {
    const { $schema, $defs, title, ...body } = side;
    definitions[name] = body;
  }
  const root = { $defs: definitions, title: "Protocol", type: "object", properties: { client: { $ref: "#/$defs/FromClient" }, server: { $ref: "#/$defs/FromServer" } } };
  const text = await compile(beside(root), "Protocol", {
    additionalProperties: false,
    bannerComment: "// Written from overlay/schema/ by tests/web/check.mjs; UPDATE=1 writes it anew.",
    ignoreMinAndMaxItems: true,
    unreachableDefinitions: true,
    format: true,
    style: { printWidth: 140 },
  });
  return text.replace(/ \*\n \* This (interface|type) was referenced by[^/]*?via the `definition` "\w+"\.\n/g, "");
}

checkGoldens("client");
checkGoldens("server");
console.log("golden messages: as the schema has them");

const written = await types();
if (process.env.UPDATE) writeFileSync(join(ROOT, "web/protocol.d.ts"), written);
if (read("web/protocol.d.ts") !== written) throw new Error("web/protocol.d.ts is old: UPDATE=1 tests/web/run writes it anew");
console.log("web/protocol.d.ts: current");

execFileSync(join(HERE, "node_modules/.bin/tsc"), ["--project", HERE], { stdio: "inherit" });
console.log("web/*.js: as the types have it");

/** The modules a module is made of, whichever way they are reached. */
function reached(module, known = new Set()) {
  for (const [, name] of read(`web/${module}`).matchAll(/^(?:import|\} from) .*?"\.\/(\w+\.js)";$/gm)) {
    if (known.has(name)) continue;
    known.add(name);
    reached(name, known);
  }
  return known;
}
const preloaded = [...read("web/watch.html").matchAll(/rel="modulepreload" href="\/assets\/(\w+\.js)"/g)].map(([, name]) => name);
const needed = [...reached("watch.js")].sort();
if (needed.join() !== preloaded.sort().join()) throw new Error(`web/watch.html preloads ${preloaded}, and watch.js needs ${needed}`);
console.log("web/watch.html: preloads what watch.js needs");
