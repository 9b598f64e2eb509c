// The viewer's page asks for the picture first: of all its files only this one's have to be there for it, not even the styles.
// The shop's come meanwhile.

import { roomOfPage, tokenOfPage } from "./address.js";
import { WhepPlayer } from "./player.js";

export const room = roomOfPage();
export const token = tokenOfPage(`vitrine:view:${room}`);
export const video = /** @type {HTMLVideoElement} */ (document.querySelector("#video"));
export const player = new WhepPlayer({ url: new URL(`/whep/${room}`, location.href).href, video, token });
player.start();
