// The viewer's page.

import { WhepPlayer } from "./player.js";
import { ShopClient } from "./shop.js";
import { $, clock, el, money, roomOfPage, toast, tokenOfPage } from "./ui.js";

const FEW = 5;
const room = roomOfPage();
const token = tokenOfPage(`vitrine:view:${room}`);
const video = $("#video");
const shop = new ShopClient({ room, token });
const player = new WhepPlayer({ url: new URL(`/whep/${room}`, location).href, video, token });

/** What the sheet shows, so that it can be drawn anew: a product's id, `bag`, or nothing. */
let open;
let chosen;
let quantity = 1;

// ---- The picture ------------------------------------------------------------------------------

let hasPicture = false;
let lastFrame = 0;
function watchFrames() {
  if (!video.requestVideoFrameCallback) return;
  video.requestVideoFrameCallback(() => {
    lastFrame = performance.now();
    if (!hasPicture) {
      hasPicture = true;
      drawState();
    }
    watchFrames();
  });
}
watchFrames();
video.addEventListener("playing", () => {
  hasPicture = true;
  drawState();
});
setInterval(() => {
  // A page in the background is shown no frames.
  if (document.hidden) lastFrame = performance.now();
  if (hasPicture && video.requestVideoFrameCallback && performance.now() - lastFrame > 4000) {
    hasPicture = false;
    drawState();
  }
}, 1000);

function drawState() {
  const badge = $("#live");
  const onAir = shop.show ? shop.show.on_air : hasPicture;
  const text = hasPicture && onAir !== false ? "LIVE" : stateText(onAir);
  badge.textContent = text;
  badge.classList.toggle("live", text === "LIVE");
  const waiting = $("#waiting");
  const isRefused = player.state === "refused";
  waiting.hidden = hasPicture && onAir !== false;
  if (isRefused) {
    $("#waiting-title").textContent = "This show cannot be watched";
    $("#waiting-text").textContent = player.reason;
  } else if (shop.show?.state === "ended") {
    $("#waiting-title").textContent = "The show is over";
    $("#waiting-text").textContent = "Thank you for watching.";
  } else if (player.state === "interrupted") {
    $("#waiting-title").textContent = "One moment";
    $("#waiting-text").textContent = "The connection was interrupted. It comes back by itself.";
  } else {
    $("#waiting-title").textContent = onAir ? "Starting…" : "The host will be here soon";
    $("#waiting-text").textContent = onAir ? "" : "This page starts by itself. Have a look at the products meanwhile.";
  }
  $("#unmute").hidden = !(hasPicture && video.muted);
}

function stateText(onAir) {
  if (player.state === "refused") return "Closed";
  if (player.state === "interrupted") return "Reconnecting";
  if (player.state === "connected" && !onAir) return "Soon";
  return "Connecting";
}

function setSound(on) {
  video.muted = !on;
  if (on) video.play().catch(() => {});
  const button = $("#sound");
  button.setAttribute("aria-pressed", String(on));
  button.setAttribute("aria-label", on ? "Sound off" : "Sound on");
  $("#sound-on").toggleAttribute("hidden", !on);
  $("#sound-off").toggleAttribute("hidden", on);
  drawState();
}
$("#sound").addEventListener("click", () => setSound(video.muted));
$("#unmute").addEventListener("click", () => setSound(true));

player.addEventListener("state", drawState);
player.addEventListener("channels", ({ detail }) => shop.attach(detail.channels));

// ---- The shop ---------------------------------------------------------------------------------

function stockLine(variants) {
  const available = variants.reduce((sum, variant) => sum + (variant.available ?? 0), 0);
  if (variants.every((variant) => variant.sold_out)) return el("p", { class: "stock few" }, "Sold out");
  const few = available <= FEW;
  return el("p", { class: few ? "stock few" : "stock" }, few ? `Only ${available} left` : `${available} in stock`);
}

function priceLine(variant) {
  return el("p", { class: "price" }, money(variant.price), variant.was && el("s", { class: "was" }, money(variant.was)));
}

function picture(product, attributes = {}) {
  const [src] = product.images;
  return src ? el("img", { src, alt: "", ...attributes }) : el("div", attributes);
}

function drawCard() {
  const card = $("#card");
  const id = shop.featured ?? shop.pinned[0];
  const product = id && shop.products.get(id);
  card.hidden = !product;
  if (!product) return;
  const [first] = product.variants.filter((variant) => !variant.sold_out).concat(product.variants);
  const soldOut = product.variants.every((variant) => variant.sold_out);
  card.dataset.product = product.id;
  card.replaceChildren(
    picture(product),
    el("div", {}, el("h3", {}, product.title), priceLine(first), stockLine(product.variants)),
    el(
      "button",
      { class: "primary", "data-buy": product.id, disabled: soldOut, onclick: () => wish(product) },
      soldOut ? "Sold out" : "Buy",
    ),
  );
}

/** One variant is bought with one tap; several are chosen from first. */
function wish(product) {
  if (product.variants.length === 1) buy(product.variants[0].id, 1);
  else show(product.id);
}

function buy(variant, count) {
  shop.buy([{ variant, quantity: count }]);
  toast("One moment…");
}

function tile(product) {
  const soldOut = product.variants.every((variant) => variant.sold_out);
  return el(
    "button",
    { class: soldOut ? "tile gone" : "tile", "data-product": product.id, onclick: () => show(product.id) },
    picture(product),
    el("div", {}, el("h3", {}, product.title), priceLine(product.variants[0]), stockLine(product.variants)),
  );
}

function inOrder() {
  const rank = (product) => {
    if (product.id === shop.featured) return -1;
    const place = shop.pinned.indexOf(product.id);
    return place < 0 ? shop.pinned.length : place;
  };
  return [...shop.products.values()].sort((a, b) => rank(a) - rank(b));
}

function head(title) {
  return el(
    "div",
    { class: "head" },
    el("h2", { id: "sheet-title" }, title),
    el("button", { "aria-label": "Close", onclick: () => $("#sheet").close() }, "✕"),
  );
}

function show(what) {
  if (open !== what) {
    chosen = undefined;
    quantity = 1;
  }
  open = what;
  drawSheet();
  const sheet = $("#sheet");
  if (!sheet.open) sheet.showModal();
}

function drawSheet() {
  if (!open) return;
  const body = $("#sheet-body");
  const focused = document.activeElement?.dataset?.key;
  if (open === "bag") {
    body.replaceChildren(
      head("In this show"),
      el("div", { class: "stack" }, ...ordersList()),
      el("div", { class: "grid" }, ...inOrder().map(tile)),
    );
  } else {
    const product = shop.products.get(open);
    if (!product) return $("#sheet").close();
    body.replaceChildren(head(product.title), productView(product));
  }
  if (focused) body.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

function productView(product) {
  const sellable = product.variants.find((variant) => !variant.sold_out) ?? product.variants[0];
  const variant = product.variants.find((known) => known.id === chosen) ?? sellable;
  const most = Math.max(1, Math.min(variant.available ?? 10, variant.per_customer ?? 10, 10));
  quantity = Math.min(quantity, most);
  const step = (by) => () => {
    quantity = Math.min(most, Math.max(1, quantity + by));
    drawSheet();
  };
  const choices =
    product.variants.length > 1 &&
    el(
      "fieldset",
      { class: "chips" },
      el("legend", {}, "Choose"),
      ...product.variants.map((each) =>
        el(
          "label",
          {},
          el("input", {
            type: "radio",
            name: "variant",
            value: each.id,
            "data-key": `variant-${each.id}`,
            checked: each.id === variant.id,
            disabled: each.sold_out,
            onchange: () => {
              chosen = each.id;
              drawSheet();
            },
          }),
          el("span", {}, each.title),
        ),
      ),
    );
  const total = { ...variant.price, minor: variant.price.minor * quantity };
  return el(
    "div",
    { class: "product" },
    picture(product, { class: "hero" }),
    el("div", { class: "row" }, priceLine(variant), stockLine([variant])),
    product.description && el("p", { class: "about" }, product.description),
    choices,
    el(
      "div",
      { class: "row" },
      el(
        "div",
        { class: "stepper", role: "group", "aria-label": "Quantity" },
        el("button", { "aria-label": "One less", "data-key": "less", disabled: quantity <= 1, onclick: step(-1) }, "−"),
        el("output", {}, String(quantity)),
        el("button", { "aria-label": "One more", "data-key": "more", disabled: quantity >= most, onclick: step(1) }, "+"),
      ),
      el(
        "button",
        {
          class: "primary buy",
          "data-key": "buy",
          "data-buy-variant": variant.id,
          disabled: variant.sold_out,
          onclick: () => {
            buy(variant.id, quantity);
            $("#sheet").close();
          },
        },
        variant.sold_out ? "Sold out" : `Buy · ${money(total)}`,
      ),
    ),
  );
}

const STATES = {
  paid: "Paid, thank you",
  released: "The time was over",
  cancelled: "Given back",
  refunded: "Refunded",
};

function ordersList() {
  const orders = [...shop.orders.values()].reverse().slice(0, 10);
  return orders.map((order) => {
    const isHeld = order.state === "held";
    const lines = (order.lines ?? []).map((line) => {
      const found = shop.variant(line.variant);
      const name = found ? `${found.product.title}, ${found.variant.title}` : line.variant;
      return el("p", {}, `${line.quantity} × ${name}`);
    });
    return el(
      "article",
      { class: isHeld ? "order held" : "order", "data-order": order.buy, "data-state": order.state },
      el(
        "div",
        { class: "row" },
        el("strong", {}, isHeld ? "Kept for you" : STATES[order.state]),
        isHeld && el("span", { class: "time", "data-until": String(order.expires_at) }, clock(order.expires_at - shop.now())),
      ),
      ...lines,
      el(
        "div",
        { class: "row" },
        el("span", { class: "small" }, order.total ? `${money(order.total)} · the host takes the payment` : ""),
        isHeld && el("button", { class: "quiet", onclick: () => shop.cancel(order.buy) }, "Give back"),
      ),
    );
  });
}

function drawOrders() {
  $("#side-orders").replaceChildren(...ordersList());
  const held = [...shop.orders.values()].filter((order) => order.state === "held").length;
  const count = $("#bag-count");
  count.hidden = held === 0;
  count.textContent = String(held);
}

setInterval(() => {
  for (const node of document.querySelectorAll("[data-until]")) {
    node.textContent = clock(Number(node.dataset.until) - shop.now());
  }
}, 500);

$("#bag").addEventListener("click", () => show("bag"));
$("#sheet").addEventListener("close", () => (open = undefined));
$("#sheet").addEventListener("click", (event) => event.target === $("#sheet") && $("#sheet").close());

// ---- Chat -------------------------------------------------------------------------------------

function drawChat() {
  const list = $("#chat");
  const box = list.parentElement;
  const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
  list.replaceChildren(
    ...shop.chat
      .slice(-30)
      .map((line) => el("li", { class: line.user.role, "data-chat": line.id }, el("b", {}, line.user.name), line.text)),
  );
  if (atEnd) box.scrollTop = box.scrollHeight;
}

$("#say").addEventListener("submit", (event) => {
  event.preventDefault();
  const input = $("#text");
  const text = input.value.trim();
  if (text) shop.say(text);
  input.value = "";
});

// ---- What the shop tells ----------------------------------------------------------------------

const drawProducts = () => {
  drawCard();
  $("#side-products").replaceChildren(...inOrder().map(tile));
  drawSheet();
};
const draw = {
  welcome: () => {
    drawShow();
    drawProducts();
    drawChat();
    drawOrders();
    drawViewers();
  },
  show: () => drawShow(),
  products: drawProducts,
  pins: drawProducts,
  stock: drawProducts,
  viewers: () => drawViewers(),
  chat: drawChat,
  orders: () => {
    drawOrders();
    drawSheet();
  },
};
function drawShow() {
  $("#title").textContent = shop.show.title;
  document.title = `${shop.show.title} · live`;
  drawState();
}
function drawViewers() {
  $("#viewers").textContent = String(shop.viewers);
}
shop.addEventListener("change", ({ detail }) => draw[detail]?.());

const OUTCOMES = {
  held: () => ["It is yours for now. The host takes the payment.", "good"],
  sold_out: () => ["Sorry, it is sold out.", "bad"],
  limit_reached: ({ limit }) => [`One customer may have ${limit} of these.`, "bad"],
  price_changed: () => ["The price has just changed. Have another look.", "bad"],
  not_on_sale: () => ["This is not on sale any more.", "bad"],
  rejected: ({ reason }) => [reason, "bad"],
  conflict: () => ["Something went wrong. Please try again.", "bad"],
};
shop.addEventListener("receipt", ({ detail: { receipt } }) => {
  toast(...OUTCOMES[receipt.outcome](receipt));
  document.documentElement.dataset.receipt = receipt.outcome;
  navigator.vibrate?.(receipt.outcome === "held" ? 30 : [20, 40, 20]);
});
shop.addEventListener("notice", ({ detail }) => toast(detail.text, "bad"));
shop.addEventListener("announcement", ({ detail }) => toast(detail.text));

drawState();
player.start();
// A player without WebRTC still gets the shop.
if (!("RTCPeerConnection" in window)) shop.openEvents();
/** For embedding pages and tests. */
window.vitrine = { player, shop };
