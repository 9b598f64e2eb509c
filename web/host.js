// The host's page.

import { ShopClient } from "./shop.js";
import { Studio, rate } from "./studio.js";
import { $, clock, el, money, roomOfPage, toast, tokenOfPage, uuid7 } from "./ui.js";

const room = roomOfPage();
const key = `vitrine:host:${room}`;
let token = tokenOfPage(key);
$("#room").textContent = `Room ${room}`;
$("#login-room").textContent = room;

function begin() {
  const shop = new ShopClient({ room, token });
  const studio = new Studio({ room, token });
  const sales = new Map();
  window.vitrine = { shop, studio };

  const act = async (command, done) => {
    try {
      await shop.host(command);
      if (done) toast(done, "good");
    } catch (error) {
      toast(error.message, "bad");
    }
  };

  // ---- Products ---------------------------------------------------------------------------------

  const drawProducts = () => {
    const list = $("#products");
    // Somebody is typing a price: it must not vanish under the fingers.
    if (list.contains(document.activeElement) && document.activeElement.tagName === "INPUT") return;
    const focused = document.activeElement?.dataset?.key;
    list.replaceChildren(...[...shop.products.values()].map(productView));
    if (focused) list.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  };

  function productView(product) {
    const pinned = shop.pinned.includes(product.id);
    const featured = shop.featured === product.id;
    const toggle = (name, pressed, command) =>
      el(
        "button",
        {
          "aria-pressed": String(pressed),
          "data-key": `${name}-${product.id}`,
          "data-pin": name === "Pin" ? product.id : undefined,
          "data-feature": name === "Feature" ? product.id : undefined,
          onclick: () => act(command),
        },
        name,
      );
    return el(
      "li",
      { class: `product ${pinned ? "pinned" : ""} ${featured ? "featured" : ""}`, "data-product": product.id },
      el(
        "div",
        { class: "line" },
        product.images[0] ? el("img", { src: product.images[0], alt: "" }) : el("div", { class: "blank" }),
        el("h3", {}, product.title),
        el(
          "div",
          { class: "buttons" },
          toggle("Pin", pinned, pinned ? { op: "product.unpin", product: product.id } : { op: "product.pin", product: product.id }),
          toggle("Feature", featured, { op: "product.pin", product: product.id, featured: true }),
        ),
      ),
      ...product.variants.map((variant) => variantView(variant)),
    );
  }

  function variantView(variant) {
    const { price } = variant;
    const shown = (price.minor / 10 ** price.exponent).toFixed(price.exponent);
    const input = el("input", { value: shown, inputmode: "decimal", "aria-label": `Price of ${variant.title} in ${price.currency}` });
    const save = () => {
      const minor = Math.round(Number(input.value.replace(",", ".")) * 10 ** price.exponent);
      if (!Number.isFinite(minor) || minor < 0) {
        input.value = shown;
        return toast("A price is a number, as in 19.90", "bad");
      }
      if (minor === price.minor) return;
      const was = minor < price.minor ? { was_minor: price.minor } : {};
      act({ op: "price.set", variant: variant.id, minor, ...was }, `${variant.title}: ${money({ ...price, minor })}`);
    };
    input.addEventListener("change", save);
    input.addEventListener("keydown", (event) => event.key === "Enter" && input.blur());
    const add = (delta) => () => act({ op: "stock.add", variant: variant.id, delta });
    return el(
      "div",
      { class: "variant", "data-variant": variant.id },
      el("span", {}, variant.title),
      input,
      el(
        "div",
        { class: "counter", role: "group", "aria-label": `Stock of ${variant.title}` },
        el("button", { "aria-label": "One less", "data-key": `less-${variant.id}`, disabled: variant.available < 1, onclick: add(-1) }, "−"),
        el("output", { "data-stock": variant.id }, String(variant.available)),
        el("button", { "aria-label": "One more", "data-key": `more-${variant.id}`, onclick: add(1) }, "+"),
      ),
    );
  }

  $("#add").addEventListener("click", () => $("#new").toggleAttribute("hidden"));
  $("#new").addEventListener("submit", (event) => {
    event.preventDefault();
    const form = event.target;
    const data = new FormData(form);
    const id = `p-${uuid7().slice(-12)}`;
    const known = [...shop.products.values()][0]?.variants[0]?.price;
    const { currency, exponent } = known ?? { currency: "EUR", exponent: 2 };
    const minor = Math.round(Number(String(data.get("price")).replace(",", ".")) * 10 ** exponent);
    const image = String(data.get("image")).trim();
    const title = String(data.get("title")).trim();
    const variant = { id, title, price: { minor, currency, exponent }, available: Number(data.get("stock")) };
    act({ op: "product.put", product: { id, title, images: image ? [image] : [], variants: [variant] } }, `${title} is in the shop`);
    form.reset();
    form.hidden = true;
  });

  // ---- Orders and chat --------------------------------------------------------------------------

  const drawOrders = () => {
    const all = [...sales.values()].reverse();
    const settle = (order, state) => () => act({ op: "order.settle", buy: order.buy, state });
    $("#orders").replaceChildren(
      ...(all.length ? all : []).slice(0, 100).map((order) =>
        el(
          "li",
          { class: `order ${order.state}`, "data-order": order.buy, "data-state": order.state },
          el("div", {}, el("strong", {}, order.name), el("strong", {}, money(order.total))),
          el(
            "p",
            { class: "small" },
            order.lines
              .map((line) => {
                const found = shop.variant(line.variant);
                return `${line.quantity} × ${found ? `${found.product.title}, ${found.variant.title}` : line.variant}`;
              })
              .join("; "),
          ),
          el(
            "div",
            {},
            order.state === "held"
              ? el("span", { class: "small", "data-until": String(order.expires_at) }, clock(order.expires_at - shop.now()))
              : el("span", { class: "small" }, order.state),
            order.state === "held" &&
              el("span", {}, el("button", { onclick: settle(order, "paid") }, "Paid"), " ", el("button", { class: "quiet", onclick: settle(order, "cancelled") }, "Cancel")),
            order.state === "paid" && el("button", { class: "quiet", onclick: settle(order, "refunded") }, "Refund"),
          ),
        ),
      ),
    );
    if (!all.length) $("#orders").replaceChildren(el("li", { class: "small" }, "None yet"));
    const count = (state) => all.filter((order) => order.state === state).length;
    $("#held").textContent = String(count("held"));
    $("#sold").textContent = String(count("paid"));
  };

  const loadOrders = async () => {
    const response = await fetch(`/api/rooms/${room}/orders`, { headers: { Authorization: `Bearer ${token}` } });
    if (!response.ok) return;
    const { orders } = await response.json();
    sales.clear();
    for (const order of orders.reverse()) sales.set(order.buy, order);
    drawOrders();
  };

  const drawChat = () => {
    const list = $("#chat");
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    list.replaceChildren(
      ...shop.chat.map((line) =>
        el(
          "li",
          { "data-chat": line.id },
          el("span", {}, el("strong", {}, `${line.user.name} `), line.text),
          el("button", { class: "quiet", "aria-label": "Delete this line", onclick: () => act({ op: "chat.delete", message: line.id }) }, "✕"),
          line.user.role === "viewer" && el("button", { class: "quiet", onclick: () => act({ op: "chat.mute", user: line.user.id }, `${line.user.name} is muted`) }, "Mute"),
        ),
      ),
    );
    if (atEnd) list.scrollTop = list.scrollHeight;
    $("#slow").value = String(shop.slowSeconds);
  };
  $("#slow").addEventListener("change", ({ target }) => act({ op: "chat.slow", seconds: Number(target.value) }));
  $("#say").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = $("#text").value.trim();
    if (text) shop.say(text);
    $("#text").value = "";
  });

  // ---- The show ---------------------------------------------------------------------------------

  const drawShow = () => {
    $("#title").textContent = shop.show.title;
    document.title = `${shop.show.title} · host`;
    $("#state").value = shop.show.state;
    const live = $("#live");
    live.textContent = shop.show.on_air ? "ON AIR" : "Off air";
    live.classList.toggle("live", shop.show.on_air);
    $("#viewers").textContent = String(shop.viewers);
  };
  $("#state").addEventListener("change", ({ target }) => act({ op: "show.state", state: target.value }));

  const draw = {
    welcome: () => {
      if (shop.you.role !== "host") toast("This token does not allow to host here", "bad");
      drawShow();
      drawProducts();
      drawChat();
      loadOrders();
    },
    show: drawShow,
    products: drawProducts,
    pins: drawProducts,
    stock: drawProducts,
    viewers: drawShow,
    chat: drawChat,
  };
  shop.addEventListener("change", ({ detail }) => draw[detail]?.());
  shop.addEventListener("notice", ({ detail }) => toast(detail.text, "bad"));
  shop.addEventListener("sale", ({ detail }) => {
    if (!sales.has(detail.buy)) toast(`${detail.name}: ${money(detail.total)}`, "good");
    sales.set(detail.buy, detail);
    drawOrders();
  });
  shop.addEventListener("health", ({ detail }) => {
    const rows = detail.encodings.map((encoding) =>
      el(
        "tr",
        { class: encoding.active ? "" : "off" },
        el("td", {}, encoding.rid ?? (encoding.codec === "opus" ? "sound" : "picture")),
        el("td", {}, encoding.width ? `${encoding.width}×${encoding.height}` : "–"),
        el("td", {}, encoding.codec || "–"),
        el("td", {}, rate(encoding.bitrate)),
      ),
    );
    if (rows.length) $("#arriving").replaceChildren(...rows);
    $("#warnings").textContent = detail.warnings.join(" · ");
  });
  setInterval(() => {
    for (const node of document.querySelectorAll("[data-until]")) {
      node.textContent = clock(Number(node.dataset.until) - shop.now());
    }
  }, 500);
  // The host's own picture may not be on: the shop is reached without it.
  shop.openEvents();
}

if (token) begin();
else {
  const login = $("#login");
  login.showModal();
  login.addEventListener("close", () => {
    token = $("#token").value.trim();
    try {
      sessionStorage.setItem(key, token);
    } catch {
      // Then it is asked for again.
    }
    begin();
  });
}
