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

/** What is left of a call goes on encoding, and the next tests would have too little of the machine. */
async function closePages() {
  const pages = (await Promise.all([chromium.pages(), firefox.pages()])).flat();
  await Promise.all(pages.filter((page) => page.url().startsWith(system.url)).map((page) => page.close()));
}

/** If the test fails the processes' logs are shown, and its pages closed. */
export const withLogs = (run) => async () => {
  try {
    await run();
  } catch (error) {
    console.error(system.logs());
    await closePages().catch(console.error); // the test's error is the one to tell
    throw error;
  }
};
