/** The default theme with the fonts that are there: none is loaded. */
export { default } from "vitepress/theme-without-fonts"
