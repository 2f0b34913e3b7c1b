// Code far from the window is not laid out (custom.css), so the theme cannot know whether it scrolls sideways and must be
// reached by the keyboard. Here that is asked when the code comes near.
document.addEventListener(
  "contentvisibilityautostatechange",
  ({ target, skipped }) => {
    if (!skipped) target.tabIndex = target.scrollWidth > target.clientWidth ? 0 : -1;
  },
  true,
);
