// A supervisor's ear: listen, whisper to the agent, or talk with both.
import { at, post, remove } from "../core/api.js";
import { t } from "../core/i18n.js";
import { phone } from "../core/phone.js";
import { store } from "../core/store.js";
import { attempt } from "../core/view.js";

const HUNG_UP_WITHIN = 2000; // ms
export const listening = { id: "", call: "", how: "", agent: "" };
const changed = () => store.changed();

export async function listen(call, agent, how) {
  await stop();
  await free();
  if (store.me.agent?.phone === "web") phone.expect();
  const answer = await attempt(() => post("/api/listen", { call, agent, how }), t(`listen.${how}_on`));
  if (answer?.id) Object.assign(listening, { id: answer.id, call, how, agent });
  changed();
}

/** The phone takes one call at a time: the last one is over before the next is asked for. */
function free() {
  return new Promise((done) => {
    const finish = () => {
      clearTimeout(timer);
      phone.removeEventListener("change", look);
      done();
    };
    const look = () => phone.call || finish();
    const timer = setTimeout(finish, HUNG_UP_WITHIN);
    phone.addEventListener("change", look);
    look();
  });
}

export async function stop() {
  const { id } = listening;
  if (!id) return;
  Object.assign(listening, { id: "", call: "", how: "", agent: "", heard: false });
  changed();
  await attempt(() => remove(at`/api/listen/${id}`));
}

phone.addEventListener("change", () => {
  if (listening.id && listening.heard && !phone.call) {
    Object.assign(listening, { id: "", call: "", how: "", agent: "", heard: false });
    changed();
  } else if (listening.id && phone.call) listening.heard = true;
});
