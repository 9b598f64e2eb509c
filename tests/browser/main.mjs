// Runs the scenarios one after the other, each on a server of its own. `run NAME…` runs those whose names begin so, those that are long among them.

import { Server } from "./server.mjs";
import { desk } from "./desk.mjs";
import { gstreamer } from "./gstreamer.mjs";
import { holding } from "./holding.mjs";
import { joining } from "./joining.mjs";
import { lines } from "./lines.mjs";
import { mishaps } from "./mishaps.mjs";
import { paths } from "./paths.mjs";
import { scenarios } from "./scenarios.mjs";
import { selling } from "./selling.mjs";
import { spatial } from "./spatial.mjs";
import { thumb } from "./thumb.mjs";
import { tokens } from "./tokens.mjs";
import { visits } from "./visits.mjs";
import { closeBrowsers } from "./browsers.mjs";

const wanted = process.argv.slice(2);
let failed = 0;
/** Environment variables for its server, found out first where they depend on the machine. */
const settings = ({ settings }) => (typeof settings === "function" ? settings() : settings);
for (const scenario of [...scenarios, ...desk, ...gstreamer, ...selling, ...holding, ...joining, ...paths, ...mishaps, ...thumb, ...tokens, ...visits, ...spatial, ...lines]) {
  if (wanted.length ? !wanted.some((name) => scenario.name.startsWith(name)) : scenario.byName) continue;
  const started = Date.now();
  let server;
  try {
    server = await Server.start(scenario.name, await settings(scenario));
    const note = await scenario.run(server);
    console.log(`ok    ${scenario.name} (${((Date.now() - started) / 1000).toFixed(1)} s)${note ? `: ${note}` : ""}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL  ${scenario.name}: ${error.stack ?? error}`);
    if (server) console.log(server.tail());
  } finally {
    await closeBrowsers();
    await server?.stop();
  }
}
// A story that failed may have left a line open, which would keep this process for ever.
process.exit(failed ? 1 : 0);
