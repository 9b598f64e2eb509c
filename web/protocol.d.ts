// Written from overlay/schema/ by tests/web/check.mjs; UPDATE=1 writes it anew.

/**
 * What a client says.
 */
export type FromClient = ClientMessage | TalkMessage;
/**
 * One message of a client.
 */
export type ClientMessage =
  | (Hello & {
      t: "hello";
    })
  | (BuyMessage & {
      t: "buy";
    })
  | {
      /**
       * Which.
       */
      buy: string;
      t: "cancel";
    }
  | {
      /**
       * The code, in capitals.
       */
      code: string;
      /**
       * The client's id of it.
       */
      id: string;
      t: "promo";
    }
  | {
      /**
       * What; nothing empties it.
       */
      lines: Line[];
      t: "cart";
    }
  | {
      /**
       * Any number.
       */
      n: number;
      t: "ping";
    }
  | {
      /**
       * When it was done before the camera, by the server's clock in unix milliseconds: players show what follows
       * from it with the picture of that moment.
       */
      captured_at?: number | null;
      /**
       * What to do.
       */
      do: HostCommand | OfferCommand | TalkCommand;
      /**
       * The client's id of it.
       */
      id: string;
      t: "host";
    };
/**
 * What a host may do.
 */
export type HostCommand =
  | {
      op: "show.state";
      state: ShowState;
    }
  | {
      op: "show.schedule";
      /**
       * Unix milliseconds.
       */
      starts_at?: number | null;
    }
  | {
      op: "show.title";
      title: string;
    }
  | {
      /**
       * Whether it is the one in front.
       */
      featured?: boolean | null;
      op: "product.pin";
      /**
       * Which.
       */
      product: string;
    }
  | {
      op: "product.unpin";
      /**
       * Which.
       */
      product: string;
    }
  | {
      op: "product.put";
      product: SentProduct;
    }
  | {
      op: "product.remove";
      /**
       * Which.
       */
      product: string;
    }
  | {
      /**
       * Minor units.
       */
      minor: number;
      op: "price.set";
      /**
       * Which.
       */
      variant: string;
      /**
       * The price before.
       */
      was_minor?: number | null;
    }
  | {
      /**
       * All units counted in: to be had, held and sold.
       */
      on_hand: number;
      op: "stock.set";
      /**
       * Which.
       */
      variant: string;
      /**
       * Only when the stock's version is this.
       */
      version?: number | null;
    }
  | {
      /**
       * Units more or fewer.
       */
      delta: number;
      op: "stock.add";
      /**
       * Which.
       */
      variant: string;
    }
  | {
      /**
       * Which.
       */
      buy: string;
      op: "order.settle";
      /**
       * Whether the units of a refunded order are to be sold again.
       */
      restock?: boolean | null;
      /**
       * Paid, cancelled or refunded.
       */
      state: "waitlisted" | "held" | "checkout_open" | "paid" | "releasing" | "released" | "cancelled" | "refund_due" | "refunded";
    };
/**
 * Where a show is in its life.
 */
export type ShowState = "scheduled" | "live" | "paused" | "ended";
/**
 * A change of how something is offered.
 */
export type OfferCommand =
  | {
      /**
       * Units for this show.
       */
      allotment?: number | null;
      /**
       * How long a buyer has to pay.
       */
      hold_seconds?: number | null;
      /**
       * What comes first.
       */
      mode?: Mode | null;
      op: "offer.set";
      /**
       * Units of one customer.
       */
      per_customer?: number | null;
      /**
       * Which.
       */
      variant: string;
    }
  | {
      /**
       * Minor units, in the currency of the variant.
       */
      minor: number;
      op: "flash.start";
      /**
       * Units of one customer.
       */
      per_customer?: number | null;
      /**
       * Units at this price.
       */
      quantity?: number | null;
      /**
       * How long it runs, in milliseconds.
       */
      seconds: number;
      /**
       * Unix milliseconds; at once when there is none.
       */
      starts_at?: number | null;
      /**
       * Which.
       */
      variant: string;
    }
  | {
      op: "flash.end";
      /**
       * Which.
       */
      variant: string;
    }
  | (Promo & {
      op: "promo.put";
    })
  | {
      /**
       * Which.
       */
      code: string;
      op: "promo.remove";
    };
/**
 * What comes first when something is sold.
 */
export type Mode = "hold" | "pay_first";
/**
 * A promo code.
 */
export type Promo = (
  | {
      basis_points: number;
    }
  | {
      amount: Money3;
    }
) & {
  /**
   * What buyers type, in capitals.
   */
  code: string;
  /**
   * Unix milliseconds; from then on it is not valid.
   */
  ends_at?: number | null;
  /**
   * Orders that may use it, open and paid ones together.
   */
  limit?: number | null;
  /**
   * The same for one customer.
   */
  per_customer?: number | null;
  /**
   * Unix milliseconds; before, it is not valid.
   */
  starts_at?: number | null;
  /**
   * Open and paid orders that use it.
   */
  used?: number;
};
/**
 * What a host or moderator does about what is said, and says to everybody.
 */
export type TalkCommand =
  | {
      /**
       * The server's id of it.
       */
      message: string;
      op: "chat.delete";
    }
  | {
      /**
       * The server's id of it.
       */
      message: string;
      op: "chat.pin";
    }
  | {
      op: "chat.unpin";
    }
  | {
      op: "chat.mute";
      /**
       * Whom.
       */
      user: string;
    }
  | {
      op: "chat.unmute";
      /**
       * Whom.
       */
      user: string;
    }
  | {
      op: "chat.ban";
      /**
       * Whom.
       */
      user: string;
    }
  | {
      op: "chat.unban";
      /**
       * Whom.
       */
      user: string;
    }
  | {
      op: "chat.slow";
      /**
       * Seconds; 0 is no slow mode.
       */
      seconds: number;
    }
  | {
      op: "chat.words";
      /**
       * Words or phrases, in any case.
       *
       * @maxItems 150
       */
      words: string[];
    }
  | {
      op: "question.answer";
      /**
       * The server's id of it.
       */
      question: string;
      /**
       * In writing; without, it was answered aloud.
       */
      text?: string | null;
    }
  | {
      op: "question.dismiss";
      /**
       * The server's id of it.
       */
      question: string;
    }
  | {
      op: "poll.open";
      /**
       * The choices.
       *
       * @minItems 2
       * @maxItems 6
       */
      options: string[];
      /**
       * The host's id of the poll.
       */
      poll: string;
      /**
       * What is asked.
       */
      question: string;
      /**
       * It closes by itself after so long.
       */
      seconds?: number | null;
    }
  | {
      op: "poll.close";
      /**
       * The host's id of it.
       */
      poll: string;
    }
  | {
      op: "announce";
      /**
       * The line.
       */
      text: string;
    }
  | {
      op: "countdown.show";
      /**
       * Whose flash sale; without, the show's begin is meant.
       */
      variant?: string | null;
    }
  | {
      op: "countdown.hide";
    }
  | {
      op: "product.recommend";
      /**
       * Which.
       */
      product: string;
      /**
       * Why.
       */
      text?: string | null;
    };
/**
 * What a viewer says to the others.
 */
export type TalkMessage =
  | {
      /**
       * The client's id of it.
       */
      id: string;
      t: "chat";
      /**
       * The line.
       */
      text: string;
    }
  | {
      /**
       * The client's id of it.
       */
      id: string;
      t: "question";
      /**
       * What is asked.
       */
      text: string;
    }
  | {
      /**
       * How many since the last message.
       */
      count: number;
      /**
       * Which.
       */
      kind: "heart" | "like" | "fire" | "laugh" | "wow" | "clap";
      t: "react";
    }
  | {
      /**
       * The choice's place.
       */
      option: number;
      /**
       * Which poll.
       */
      poll: string;
      t: "vote";
    };
/**
 * What a client is told.
 */
export type FromServer = Envelope | Batch;
/**
 * A message as it is sent.
 */
export type Envelope = (
  | (Welcome & {
      t: "welcome";
    })
  | {
      price_version: number;
      starts_at?: number | null;
      state: ShowState;
      t: "show";
      title: string;
    }
  | {
      price_version: number;
      product: Product;
      t: "product";
    }
  | {
      product: string;
      t: "product_removed";
    }
  | {
      featured?: string | null;
      pinned: string[];
      t: "pins";
    }
  | {
      price: Money3;
      price_version: number;
      t: "price";
      variant: string;
      was?: Money3 | null;
    }
  | {
      sold_out: boolean;
      t: "availability";
      variant: string;
    }
  | {
      items: StockItem[];
      t: "stock";
    }
  | {
      count: number;
      t: "viewers";
    }
  | {
      live: boolean;
      t: "on_air";
    }
  | {
      codec?: string | null;
      t: "unplayable";
    }
  | (Receipt & {
      t: "receipt";
    })
  | (OrderNotice & {
      t: "order";
    })
  | ((
      | {
          basis_points: number;
        }
      | {
          amount: Money3;
        }
    ) & {
      /**
       * What buyers type, in capitals.
       */
      code: string;
      /**
       * Unix milliseconds; from then on it is not valid.
       */
      ends_at?: number | null;
      /**
       * Orders that may use it, open and paid ones together.
       */
      limit?: number | null;
      /**
       * The same for one customer.
       */
      per_customer?: number | null;
      ref: string;
      /**
       * Unix milliseconds; before, it is not valid.
       */
      starts_at?: number | null;
      t: "promo";
      /**
       * Open and paid orders that use it.
       */
      used: number;
    })
  | {
      buy: string;
      place: number;
      t: "waitlist";
      variant: string;
    }
  | {
      buy: string;
      expires_at: number;
      t: "hold_expiring";
    }
  | {
      lines: CartLine[];
      t: "cart";
    }
  | (ChatLine & {
      t: "chat";
    })
  | {
      id: string;
      t: "chat_deleted";
    }
  | {
      line?: ChatLine | null;
      t: "chat_pinned";
    }
  | (Question & {
      t: "question";
    })
  | {
      poll: Poll;
      t: "poll";
    }
  | {
      counts: number[];
      poll: string;
      t: "poll_counts";
    }
  | {
      option: number;
      poll: string;
      t: "voted";
    }
  | {
      t: "reactions";
      totals: {
        [k: string]: number;
      };
    }
  | {
      countdown?: Countdown | null;
      t: "countdown";
    }
  | {
      product: string;
      t: "recommendation";
      text?: string | null;
    }
  | (Listed & {
      t: "moderation";
    })
  | {
      captured_at: number;
      rate: number;
      rtp: number;
      t: "clock";
    }
  | {
      slow_seconds: number;
      t: "chat_mode";
    }
  | {
      t: "announcement";
      text: string;
    }
  | (Sale & {
      t: "sale";
    })
  | {
      encodings: EncodingStatus[];
      t: "health";
      warnings: string[];
    }
  | {
      ref: string;
      t: "done";
    }
  | {
      code: NoticeCode;
      ref?: string | null;
      retry_after_ms?: number | null;
      t: "notice";
      text: string;
    }
  | {
      n: number;
      t: "pong";
    }
) & {
  at: number;
  captured_at?: number | null;
  seq?: number | null;
  v: number;
};
/**
 * An own order that waits for payment: its receipt, and its state as `order` tells it.
 */
export type OpenOrder = (
  | (Bill & {
      outcome: "held";
    })
  | (Bill & {
      outcome: "checkout_open";
    })
  | {
      outcome: "sold_out";
      /**
       * Which.
       */
      variant: string;
      /**
       * Whether a buy with `waitlist` would be put on the list.
       */
      waitlist: boolean;
    }
  | {
      outcome: "waitlisted";
      /**
       * The place when it came: 1 is next.
       */
      place: number;
      /**
       * How many.
       */
      quantity: number;
      /**
       * For what.
       */
      variant: string;
    }
  | {
      /**
       * How many one may have.
       */
      limit: number;
      outcome: "limit_reached";
      /**
       * Which.
       */
      variant: string;
    }
  | {
      outcome: "price_changed";
      /**
       * To be named in the next buy.
       */
      price_version: number;
      /**
       * Prices of the lines now.
       */
      prices: VariantPrice[];
    }
  | {
      outcome: "not_on_sale";
      /**
       * Which.
       */
      variant: string;
    }
  | {
      outcome: "rejected";
      /**
       * In words.
       */
      reason: string;
    }
  | {
      outcome: "conflict";
    }
) & {
  /**
   * The client's id of the buy.
   */
  buy: string;
  state: OrderState;
};
/**
 * Where an order is.
 */
export type OrderState =
  "waitlisted" | "held" | "checkout_open" | "paid" | "releasing" | "released" | "cancelled" | "refund_due" | "refunded";
/**
 * The answer to a buy: the same for the same buy, for ever.
 */
export type Receipt = (
  | (Bill & {
      outcome: "held";
    })
  | (Bill & {
      outcome: "checkout_open";
    })
  | {
      outcome: "sold_out";
      /**
       * Which.
       */
      variant: string;
      /**
       * Whether a buy with `waitlist` would be put on the list.
       */
      waitlist: boolean;
    }
  | {
      outcome: "waitlisted";
      /**
       * The place when it came: 1 is next.
       */
      place: number;
      /**
       * How many.
       */
      quantity: number;
      /**
       * For what.
       */
      variant: string;
    }
  | {
      /**
       * How many one may have.
       */
      limit: number;
      outcome: "limit_reached";
      /**
       * Which.
       */
      variant: string;
    }
  | {
      outcome: "price_changed";
      /**
       * To be named in the next buy.
       */
      price_version: number;
      /**
       * Prices of the lines now.
       */
      prices: VariantPrice[];
    }
  | {
      outcome: "not_on_sale";
      /**
       * Which.
       */
      variant: string;
    }
  | {
      outcome: "rejected";
      /**
       * In words.
       */
      reason: string;
    }
  | {
      outcome: "conflict";
    }
) & {
  /**
   * The client's id of the buy.
   */
  buy: string;
};
/**
 * The code of a `notice`.
 */
export type NoticeCode =
  | "banned"
  | "bad_message"
  | "cart_full"
  | "closed"
  | "forbidden"
  | "hello_first"
  | "key_reused"
  | "muted"
  | "not_allowed"
  | "not_found"
  | "not_possible"
  | "poll_full"
  | "questions_full"
  | "slow_mode"
  | "stale"
  | "token_invalid"
  | "too_fast"
  | "unavailable"
  | "version_unsupported";
/**
 * This interface was referenced by `Protocol`'s JSON-Schema
 * via the `definition` "BatchKind".
 */
export type BatchKind = "batch";
/**
 * What a host may do.
 */
export type AnyCommand = HostCommand | OfferCommand | TalkCommand;
/**
 * A reaction.
 */
export type Reaction = "heart" | "like" | "fire" | "laugh" | "wow" | "clap";
/**
 * What a countdown is until.
 */
export type CountdownOf = "show_start" | "sale_start" | "sale_end";
/**
 * What became of a question.
 */
export type QuestionState = "open" | "answered" | "dismissed";

export interface Protocol {
  client?: FromClient;
  server?: FromServer;
}
/**
 * The first word of a client.
 */
export interface Hello {
  /**
   * Whether several events may come in one message.
   */
  accepts?: string[] | null;
  /**
   * The name it wishes for.
   */
  name?: string | null;
  /**
   * Where it was.
   */
  resume?: Resume | null;
  /**
   * Who it is.
   */
  token?: string | null;
  /**
   * Versions it speaks.
   */
  versions: number[];
}
/**
 * The last numbered event a client has.
 */
export interface Resume {
  /**
   * Of which life of the server.
   */
  epoch: string;
  /**
   * Its number.
   */
  seq: number;
}
/**
 * A buy.
 */
export interface BuyMessage {
  /**
   * Who sent the buyer.
   */
  affiliate?: string | null;
  /**
   * The client's id; decides.
   */
  id: string;
  /**
   * What.
   */
  lines: Line[];
  /**
   * Of the prices last seen.
   */
  price_version: number;
  /**
   * A promo code, in capitals.
   */
  promo?: string | null;
  /**
   * An own open order that is given back when this one is held.
   */
  replaces?: string | null;
  /**
   * Whether to be put on the list when it is sold out.
   */
  waitlist?: boolean | null;
}
/**
 * What somebody wants.
 */
export interface Line {
  /**
   * How many.
   */
  quantity: number;
  /**
   * Which variant.
   */
  variant: string;
}
/**
 * A product as everybody sees it.
 */
export interface SentProduct {
  /**
   * A sentence or two.
   */
  description?: string | null;
  /**
   * Its id, unique in the show.
   */
  id: string;
  /**
   * Pictures, the first is the card's.
   */
  images?: string[];
  /**
   * Its name.
   */
  title: string;
  /**
   * What can be bought; one that stands alone needs no choice.
   */
  variants: SentVariant[];
  /**
   * Grows with every change but those of the stock.
   */
  version?: number;
}
/**
 * One thing with a stock of its own.
 */
export interface SentVariant {
  /**
   * Units of the stock that are for this show, whatever is on hand.
   */
  allotment?: number | null;
  /**
   * Units to be had now.
   */
  available?: number;
  /**
   * A flash sale that runs or is to come. While it runs, `price` is its price.
   */
  flash?: FlashSale | null;
  /**
   * How long a buyer has to pay, in seconds; the shop's own time when there is none.
   */
  hold_seconds?: number | null;
  /**
   * Its id, unique in the show.
   */
  id: string;
  /**
   * What comes first: the hold or the payment.
   */
  mode?: "hold" | "pay_first";
  /**
   * Units one customer may have in open and paid orders together.
   */
  per_customer?: number | null;
  price: Money2;
  /**
   * Whether none is to be had.
   */
  sold_out?: boolean;
  /**
   * Its name beside the product's.
   */
  title: string;
  /**
   * Grows with every change of the stock.
   */
  version?: number;
  /**
   * The price before, when it fell.
   */
  was?: Money3 | null;
}
/**
 * Another price for a time, and perhaps for so many units only. Its clock is the server's.
 */
export interface FlashSale {
  /**
   * Unix milliseconds; the price is the standing one from then on.
   */
  ends_at: number;
  /**
   * Units one customer may have in open and paid orders together, while it runs.
   */
  per_customer?: number | null;
  price: Money;
  /**
   * Units at this price, held and sold ones together.
   */
  quantity?: number | null;
  /**
   * Whether it runs.
   */
  running: boolean;
  standing: Money1;
  /**
   * Unix milliseconds.
   */
  starts_at: number;
}
/**
 * The price while it runs.
 */
export interface Money {
  /**
   * The currency's three letters.
   */
  currency: string;
  /**
   * Digits after the point: 0, 2 or 3.
   */
  exponent: number;
  /**
   * Minor units: cents, yen.
   */
  minor: number;
}
/**
 * The price before and after.
 */
export interface Money1 {
  /**
   * The currency's three letters.
   */
  currency: string;
  /**
   * Digits after the point: 0, 2 or 3.
   */
  exponent: number;
  /**
   * Minor units: cents, yen.
   */
  minor: number;
}
/**
 * The price.
 */
export interface Money2 {
  /**
   * The currency's three letters.
   */
  currency: string;
  /**
   * Digits after the point: 0, 2 or 3.
   */
  exponent: number;
  /**
   * Minor units: cents, yen.
   */
  minor: number;
}
/**
 * An amount in minor units of an ISO 4217 currency.
 */
export interface Money3 {
  /**
   * The currency's three letters.
   */
  currency: string;
  /**
   * Digits after the point: 0, 2 or 3.
   */
  exponent: number;
  /**
   * Minor units: cents, yen.
   */
  minor: number;
}
/**
 * The answer to a hello.
 */
export interface Welcome {
  deltas?: Envelope[] | null;
  epoch: string;
  limits: Limits;
  page?: number | null;
  pages?: number | null;
  /**
   * The number of the last event that is in here.
   */
  seq: number;
  server_time: number;
  snapshot?: Snapshot | null;
  you: You;
}
/**
 * What the server takes.
 */
export interface Limits {
  message_bytes: number;
}
/**
 * A show as it is now, or one page of it.
 */
export interface Snapshot {
  chat: ChatLine[];
  countdown?: Countdown | null;
  featured?: string | null;
  orders: OpenOrder[];
  /**
   * The latest own orders that are settled, the oldest first.
   */
  past?: OpenOrder[];
  pinned: string[];
  pinned_chat?: ChatLine | null;
  polls: Poll[];
  products: Product[];
  questions: Question[];
  reactions: {
    [k: string]: number;
  };
  show: ShowInfo;
  slow_seconds: number;
  viewers: number;
  /**
   * The own votes: choices by poll.
   */
  votes: {
    [k: string]: number;
  };
}
/**
 * A line of chat.
 */
export interface ChatLine {
  /**
   * The server's id.
   */
  id: string;
  /**
   * The sender's own id of it.
   */
  ref?: string | null;
  /**
   * What.
   */
  text: string;
  user: Person;
}
/**
 * Who.
 */
export interface Person {
  /**
   * The shop's customer id or an anonymous one.
   */
  id: string;
  /**
   * The name shown.
   */
  name: string;
  /**
   * `viewer`, `host` or `moderator`.
   */
  role: string;
}
/**
 * A time everybody looks forward to, by the server's clock.
 */
export interface Countdown {
  /**
   * What it is until.
   */
  of: "show_start" | "sale_start" | "sale_end";
  /**
   * Unix milliseconds.
   */
  until: number;
  /**
   * Whose flash sale.
   */
  variant?: string | null;
}
/**
 * What is to be paid, and until when.
 */
export interface Bill {
  /**
   * Where to pay, when the provider has a page.
   */
  checkout?: string | null;
  /**
   * What it took off.
   */
  discount?: Money3 | null;
  /**
   * Unix milliseconds.
   */
  expires_at: number;
  /**
   * What, how many, for how much.
   */
  order_lines: OrderLine[];
  /**
   * The payment provider: `manual`, the host settles.
   */
  pay: string;
  /**
   * The promo code that was applied.
   */
  promo?: string | null;
  total: Money5;
}
/**
 * What somebody has, and for how much each.
 */
export interface OrderLine {
  price: Money4;
  /**
   * How many.
   */
  quantity: number;
  /**
   * Which variant.
   */
  variant: string;
}
/**
 * An amount in minor units of an ISO 4217 currency.
 */
export interface Money4 {
  /**
   * The currency's three letters.
   */
  currency: string;
  /**
   * Digits after the point: 0, 2 or 3.
   */
  exponent: number;
  /**
   * Minor units: cents, yen.
   */
  minor: number;
}
/**
 * An amount in minor units of an ISO 4217 currency.
 */
export interface Money5 {
  /**
   * The currency's three letters.
   */
  currency: string;
  /**
   * Digits after the point: 0, 2 or 3.
   */
  exponent: number;
  /**
   * Minor units: cents, yen.
   */
  minor: number;
}
/**
 * A variant's price now.
 */
export interface VariantPrice {
  price: Money6;
  /**
   * Which.
   */
  variant: string;
}
/**
 * An amount in minor units of an ISO 4217 currency.
 */
export interface Money6 {
  /**
   * The currency's three letters.
   */
  currency: string;
  /**
   * Digits after the point: 0, 2 or 3.
   */
  exponent: number;
  /**
   * Minor units: cents, yen.
   */
  minor: number;
}
/**
 * A poll, whole.
 */
export interface Poll {
  /**
   * When it closes by itself, unix milliseconds.
   */
  closes_at?: number | null;
  /**
   * Votes for each choice.
   */
  counts: number[];
  /**
   * The host's id of it.
   */
  id: string;
  /**
   * Whether votes are taken.
   */
  open: boolean;
  /**
   * The choices; votes name them by their place.
   */
  options: string[];
  /**
   * What is asked.
   */
  question: string;
}
/**
 * A product as everybody sees it.
 */
export interface Product {
  /**
   * A sentence or two.
   */
  description?: string | null;
  /**
   * Its id, unique in the show.
   */
  id: string;
  /**
   * Pictures, the first is the card's.
   */
  images: string[];
  /**
   * Its name.
   */
  title: string;
  /**
   * What can be bought; one that stands alone needs no choice.
   */
  variants: Variant[];
  /**
   * Grows with every change but those of the stock.
   */
  version: number;
}
/**
 * One thing with a stock of its own.
 */
export interface Variant {
  /**
   * Units of the stock that are for this show, whatever is on hand.
   */
  allotment?: number | null;
  /**
   * Units to be had now.
   */
  available: number;
  /**
   * A flash sale that runs or is to come. While it runs, `price` is its price.
   */
  flash?: FlashSale | null;
  /**
   * How long a buyer has to pay, in seconds; the shop's own time when there is none.
   */
  hold_seconds?: number | null;
  /**
   * Its id, unique in the show.
   */
  id: string;
  /**
   * What comes first when something is sold.
   */
  mode?: "hold" | "pay_first";
  /**
   * Units one customer may have in open and paid orders together.
   */
  per_customer?: number | null;
  price: Money7;
  /**
   * Whether none is to be had.
   */
  sold_out: boolean;
  /**
   * Its name beside the product's.
   */
  title: string;
  /**
   * Grows with every change of the stock.
   */
  version: number;
  /**
   * The price before, when it fell.
   */
  was?: Money3 | null;
}
/**
 * An amount in minor units of an ISO 4217 currency.
 */
export interface Money7 {
  /**
   * The currency's three letters.
   */
  currency: string;
  /**
   * Digits after the point: 0, 2 or 3.
   */
  exponent: number;
  /**
   * Minor units: cents, yen.
   */
  minor: number;
}
/**
 * A question to the host, whole: new, answered or set aside.
 */
export interface Question {
  /**
   * The answer, where it was written.
   */
  answer?: string | null;
  /**
   * The server's id.
   */
  id: string;
  /**
   * The sender's own id of it.
   */
  ref?: string | null;
  /**
   * What became of it.
   */
  state: "open" | "answered" | "dismissed";
  /**
   * What.
   */
  text: string;
  user: Person1;
}
/**
 * Who asks.
 */
export interface Person1 {
  /**
   * The shop's customer id or an anonymous one.
   */
  id: string;
  /**
   * The name shown.
   */
  name: string;
  /**
   * `viewer`, `host` or `moderator`.
   */
  role: string;
}
/**
 * A show in a snapshot.
 */
export interface ShowInfo {
  /**
   * The room's name.
   */
  id: string;
  /**
   * Whether a host's media is there.
   */
  on_air: boolean;
  /**
   * To be named in buys.
   */
  price_version: number;
  /**
   * When it starts, unix milliseconds.
   */
  starts_at?: number | null;
  /**
   * Where a show is in its life.
   */
  state: "scheduled" | "live" | "paused" | "ended";
  /**
   * Its title.
   */
  title: string;
}
/**
 * Who the client is.
 */
export interface You {
  id: string;
  name: string;
  role: string;
  token?: string | null;
}
/**
 * A variant's stock, absolute.
 */
export interface StockItem {
  /**
   * Units to be had.
   */
  available: number;
  /**
   * Which.
   */
  variant: string;
  /**
   * Grows with every change; a lower one is old news.
   */
  version: number;
}
/**
 * An own order, changed.
 */
export interface OrderNotice {
  buy: string;
  expires_at?: number | null;
  state: OrderState;
}
/**
 * A line of a cart as it would be bought now.
 */
export interface CartLine {
  /**
   * Whether there are as many now.
   */
  is_available: boolean;
  price: Money8;
  /**
   * How many.
   */
  quantity: number;
  /**
   * Which variant.
   */
  variant: string;
}
/**
 * An amount in minor units of an ISO 4217 currency.
 */
export interface Money8 {
  /**
   * The currency's three letters.
   */
  currency: string;
  /**
   * Digits after the point: 0, 2 or 3.
   */
  exponent: number;
  /**
   * Minor units: cents, yen.
   */
  minor: number;
}
/**
 * Those kept quiet or out, for the staff.
 */
export interface Listed {
  banned: string[];
  muted: string[];
  words: string[];
}
/**
 * An order as its host sees it.
 */
export interface Sale {
  /**
   * Who sent the buyer.
   */
  affiliate?: string | null;
  /**
   * The buy's id.
   */
  buy: string;
  /**
   * What it took off; `total` is without it.
   */
  discount?: Money3 | null;
  /**
   * When the hold ends, unix milliseconds; 0 on the waitlist.
   */
  expires_at: number;
  /**
   * What.
   */
  lines: OrderLine[];
  /**
   * The buyer's name.
   */
  name: string;
  /**
   * The promo code that was applied.
   */
  promo?: string | null;
  /**
   * Its number on the variant's waitlist: the lower is served first.
   */
  queue?: number | null;
  /**
   * Where an order is.
   */
  state: "waitlisted" | "held" | "checkout_open" | "paid" | "releasing" | "released" | "cancelled" | "refund_due" | "refunded";
  total: Money9;
  /**
   * The buyer's id.
   */
  user: string;
}
/**
 * An amount in minor units of an ISO 4217 currency.
 */
export interface Money9 {
  /**
   * The currency's three letters.
   */
  currency: string;
  /**
   * Digits after the point: 0, 2 or 3.
   */
  exponent: number;
  /**
   * Minor units: cents, yen.
   */
  minor: number;
}
/**
 * One encoding of the host's picture or sound.
 */
export interface EncodingStatus {
  active: boolean;
  bitrate: number;
  codec: string;
  height?: number | null;
  jitter_ms: number;
  lost_permille: number;
  rid?: string | null;
  viewers: number;
  width?: number | null;
}
/**
 * Events of one channel that fall together.
 */
export interface Batch {
  at: number;
  events: Envelope[];
  t: BatchKind;
  v: number;
}
/**
 * Who says something.
 */
export interface Person2 {
  /**
   * The shop's customer id or an anonymous one.
   */
  id: string;
  /**
   * The name shown.
   */
  name: string;
  /**
   * `viewer`, `host` or `moderator`.
   */
  role: string;
}
