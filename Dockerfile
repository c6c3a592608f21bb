# Windtunnel in a container: docs/install.md. The first stage builds; the second holds the binary, certificates and
# an unprivileged user, and starts the binary itself, without a shell.

FROM rust:1.95-bookworm AS build
# Features of the build: `--build-arg FEATURES=llama` runs language models in the container.
ARG FEATURES=""
RUN case "$FEATURES" in *llama*) \
        apt-get update && apt-get install -y --no-install-recommends cmake libclang-dev && rm -rf /var/lib/apt/lists/* ;; \
    esac
WORKDIR /src
COPY . .
RUN FEATURES_DIST="$FEATURES" sh packaging/dist.sh

FROM debian:12-slim
# Certificates for servers that are asked over HTTPS; the two libraries for `llama` alone.
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates libgomp1 libstdc++6 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin windtunnel \
    && install -d -o 10001 -g 10001 /work
COPY --from=build /src/target/dist/release/windtunnel /usr/local/bin/windtunnel
COPY --from=build /src/LICENSE-MIT /src/LICENSE-APACHE /usr/share/doc/windtunnel/
# Scenarios, data and reports are mounted here.
WORKDIR /work
USER 10001:10001
ENTRYPOINT ["/usr/local/bin/windtunnel"]
CMD ["--help"]
