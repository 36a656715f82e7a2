#!/bin/sh
# Makes the release of a tag on GitHub, with the changelog's entry as its text, unless there is one.
#
#     sh deploy/release/github.sh TAG
set -eu
tag=$1

if gh release view "$tag" >/dev/null 2>&1; then
  echo "$tag: has a release already"
  exit 0
fi
node deploy/release/changelog.mjs "${tag#v}" >entry.md
case $tag in
*-*) gh release create "$tag" --verify-tag --title "$tag" --notes-file entry.md --prerelease ;;
*) gh release create "$tag" --verify-tag --title "$tag" --notes-file entry.md ;;
esac
