import { render } from "preact";
import { Playground } from "./playground.js";

const place = document.getElementById("app");
if (!place) throw new Error("index.html has no element with the id app");
render(<Playground />, place);
