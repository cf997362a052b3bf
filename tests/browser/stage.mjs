/** What tests of calls stand on: all processes and two browsers, from before the first test to after the last. */
import { after, before } from "node:test";

import { launch } from "./browsers.mjs";
import { System } from "./system.mjs";

/** @type {System} */ export let system;
export let chromium, firefox;

before(async () => {
  [system, chromium, firefox] = await Promise.all([System.start(), launch("chromium"), launch("firefox")]);
});

after(async () => {
  await Promise.all([chromium?.close(), firefox?.close()]);
  await system?.stop();
});

/** The processes' logs are shown if the test fails. */
export const withLogs = (run) => async () => {
  try {
    await run();
  } catch (error) {
    console.error(system.logs());
    throw error;
  }
};
