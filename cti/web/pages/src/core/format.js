// Values as people read them. Times from the server are seconds since 1970 UTC.
import { lang } from "./i18n.js";

const locale = () => (lang() === "tr" ? "tr-TR" : "en-GB");

/** 65 -> "1:05"; 3700 -> "1:01:40". */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds || 0));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n) => String(n).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

export const time = (at) =>
  at ? new Intl.DateTimeFormat(locale(), { hour: "2-digit", minute: "2-digit" }).format(moment(at)) : "";

export const date = (at) =>
  at
    ? new Intl.DateTimeFormat(locale(), { day: "numeric", month: "short", year: "numeric" }).format(moment(at))
    : "";

export const dateTime = (at) =>
  at
    ? new Intl.DateTimeFormat(locale(), { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }).format(moment(at))
    : "";

const moment = (at) => (typeof at === "number" ? new Date(at * 1000) : new Date(at));

export function money(amount, currency) {
  const value = Number(amount);
  if (!Number.isFinite(value)) return String(amount ?? "");
  try {
    return new Intl.NumberFormat(locale(), { style: "currency", currency: currency || "TRY" }).format(value);
  } catch {
    return `${value} ${currency}`;
  }
}

export const percent = (share) =>
  share == null
    ? "–"
    : new Intl.NumberFormat(locale(), { style: "percent", maximumFractionDigits: 0 }).format(share);

/** "+905321112233" -> "+90 532 111 22 33"; anything else as it is. */
export function phone(number) {
  const turkish = /^\+90(\d{3})(\d{3})(\d{2})(\d{2})$/.exec(number || "");
  if (turkish) return `+90 ${turkish.slice(1).join(" ")}`;
  return number || "";
}

/** "Ayşe Yılmaz" -> "AY". */
export const initials = (name) =>
  (name || "?")
    .split(/\s+/)
    .filter(Boolean)
    .map((part) => [...part][0])
    .slice(0, 2)
    .join("")
    .toLocaleUpperCase(locale());

/** "PJSIP/ayse" -> "ayse". */
export const account = (interface_) => (interface_ || "").split("/").pop();
