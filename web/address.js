// What a page's address says: its room, and a token.

/** The room of this page: its address, or what the server wrote for the front page. */
export function roomOfPage() {
  const found = location.pathname.match(/^\/(?:watch|host)\/([A-Za-z0-9_-]{1,64})\/?$/);
  return found ? found[1] : document.documentElement.dataset.room || "";
}

/**
 * A token from the address's fragment, which no server log sees. Remembered for this tab.
 * @param {string} key
 */
export function tokenOfPage(key) {
  const found = new URLSearchParams(location.hash.slice(1)).get("token");
  try {
    if (found) {
      sessionStorage.setItem(key, found);
      history.replaceState(null, "", location.pathname + location.search);
    }
    return found || sessionStorage.getItem(key) || undefined;
  } catch {
    return found || undefined;
  }
}
