/** The request on the page as code, and a button that copies it. */

import { useRef, useState } from "preact/hooks";
import { type Language, languages, type SnippetRequest, snippet } from "./snippets.js";

export function SnippetPanel({ request }: { request: SnippetRequest }) {
  const [language, setLanguage] = useState<Language>("curl");
  const [said, setSaid] = useState("");
  const block = useRef<HTMLPreElement>(null);
  const code = snippet(language, request);

  const copy = async (): Promise<void> => {
    setSaid((await copied(code, block.current)) ? "Copied" : "Selected: copy it with your keyboard");
  };

  return (
    <section class="snippets" aria-labelledby="snippets-title">
      <div class="snippet-bar">
        <h2 id="snippets-title">The same from code</h2>
        <fieldset>
          <legend class="visually-hidden">Language</legend>
          {languages.map((name) => (
            <label key={name}>
              <input
                type="radio"
                name="language"
                class="visually-hidden"
                checked={name === language}
                onChange={() => {
                  setLanguage(name);
                  setSaid("");
                }}
              />
              <span class="choice">{name}</span>
            </label>
          ))}
        </fieldset>
        <span class="said" role="status">
          {said}
        </span>
        <button type="button" onClick={copy}>
          Copy<span class="visually-hidden"> the {language} code</span>
        </button>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so a keyboard has to reach it */}
      <section class="code" tabIndex={0} aria-label={`${language} code`}>
        <pre ref={block}>
          <code>{code}</code>
        </pre>
      </section>
    </section>
  );
}

/** Pages over plain http from another machine have no clipboard. There the code is selected instead. */
async function copied(code: string, block: HTMLElement | null): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(code);
    return true;
  } catch {
    if (block) getSelection()?.selectAllChildren(block);
    return document.execCommand("copy");
  }
}
