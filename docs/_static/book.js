// Small things that the pages need: search that works from a disk too.

// Pages opened from a disk may not read one another: results come without excerpts there, and without an error.
if (location.protocol === "file:" && typeof DOCUMENTATION_OPTIONS !== "undefined") {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}
