import { LitElement, html } from "lit";
import "./styles/main.css";
class App extends LitElement { createRenderRoot() { return this; } render() { return html`<h1>Santral</h1>`; } }
customElements.define("santral-app", App);
