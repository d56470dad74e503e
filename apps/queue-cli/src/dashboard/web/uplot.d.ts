/** What the server hands out as `/uplot.js`: uPlot, from where it is installed. */
export { default } from "uplot"
