// Puts a picture in the place of its still image: then its parts can be pointed at, and it follows the page's colours.
const inlined = (still) => {
  const bytes = Uint8Array.from(atob(still.src.split(",")[1]), (character) => character.charCodeAt(0));
  const text = new TextDecoder().decode(bytes);
  const picture = document.importNode(new DOMParser().parseFromString(text, "image/svg+xml").documentElement, true);
  still.replaceWith(picture);
  return picture;
};
// The text that was packed, by zlib and in base 64.
const unpacked = (text) => {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).text();
};
