#!/bin/bash
# Builds llama.cpp's llama-server below FOLDER and prints its path; says nothing else where it is there already.
#
#   tests/llama/build-llama.sh FOLDER
#
# The source is the git bundle inside of the npm package node-llama-cpp: a registry's checksum stands behind it, and no
# other host is asked. Nothing of the package is run. Takes minutes, at the lowest priority.
set -euo pipefail

package=node-llama-cpp
version=3.22.1
folder=$1
server=$folder/cmake/bin/llama-server

if [ -x "$server" ] && [ "$(cat "$folder/version" 2>/dev/null)" = "$version" ]; then
    echo "$server"
    exit 0
fi
mkdir -p "$folder"
cd "$folder"
rm -rf package source cmake version ./*.tgz
{
    npm pack --silent "$package@$version"
    tar xzf "$package-$version.tgz" package/llama/gitRelease.bundle
    git -c advice.detachedHead=false clone --quiet package/llama/gitRelease.bundle source
    # No web pages, no TLS, nothing that would be fetched; and a program that runs on any processor of its kind.
    nice -n 19 cmake -S source -B cmake -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF -DGGML_NATIVE=OFF \
        -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_APP=OFF -DLLAMA_BUILD_UI=OFF \
        -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_OPENSSL=OFF
    nice -n 19 make -C cmake -j"$(nproc)" llama-server
} >build.log 2>&1 || {
    tail -n 30 build.log >&2
    exit 1
}
rm -rf package source ./*.tgz
echo "$version" >version
echo "$server"
