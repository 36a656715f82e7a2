#!/bin/sh
# Opens a pull request that moves the pin of llama.cpp, unless its branch exists.
#
#     sh deploy/release/propose-llama.sh FOLDER      with vendor/llama.cpp.json and table.md, the quick benchmark's table
set -eu
folder=$1

cp "$folder/vendor/llama.cpp.json" vendor/llama.cpp.json
name=$(node -p 'const { release, version } = JSON.parse(require("node:fs").readFileSync("vendor/llama.cpp.json")); `${release}-${version}`')
branch=llama.cpp-$name
if git ls-remote --exit-code --heads origin "$branch" >/dev/null; then
  echo "$branch: is proposed already"
  exit 0
fi
git switch --create "$branch"
git -c user.name="github-actions[bot]" -c user.email="41898282+github-actions[bot]@users.noreply.github.com" \
  commit --message "vendor: llama.cpp $name" -- vendor/llama.cpp.json
git push origin "$branch"
{
  echo "The tests of scores pass. Read what changed in the headers: vendor/README.md, \"Moving to a newer llama.cpp\"."
  echo
  cat "$folder/table.md"
} >"$folder/text.md"
gh pr create --head "$branch" --title "vendor: llama.cpp $name" --body-file "$folder/text.md"
