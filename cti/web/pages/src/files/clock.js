// Tells the page that time passes. A worker's timers go on at full pace in a tab that is hidden,
// where the page's own are slowed down to one a minute.
setInterval(() => postMessage(0), 500);
