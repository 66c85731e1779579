// When to draw: now and again while there is something to see.
// Notice: what measures must not slow down what it measures. So nothing is drawn while nobody looks.

// Calls draw() at most every pause() milliseconds while `element` is on the screen. Returns a function that ends it.
export function drawWhileSeen(element, draw, pause) {
  let isSeen = false;
  let goesOn = true;
  let drawnAt = -Infinity;

  function next() {
    if (!goesOn) return;
    const now = performance.now();
    if (isSeen && now - drawnAt >= pause()) {
      drawnAt = now;
      draw();
    }
    requestAnimationFrame(next);
  }

  const observer = new IntersectionObserver((entries) => { isSeen = entries.at(-1).isIntersecting; });
  observer.observe(element);
  requestAnimationFrame(next);
  return () => {
    goesOn = false;
    observer.disconnect();
  };
}
