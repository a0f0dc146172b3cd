# One image; the subcommand gives the role: `docker run penstock ingress`, `docker run penstock worker`.
#
#   docker buildx build --platform linux/arm64 --tag penstock .
#   docker buildx build --platform linux/arm64 --target partner --build-arg PARTNER=partner.toml --tag acme/penstock .
#
# The first has no partner.toml: mount one, or begin an image with `FROM penstock`. The second is what a region runs.
#
# Tags can be moved. To pin what was tested, look up the digests once and give them with each build:
#
#   docker buildx imagetools inspect gcr.io/distroless/cc-debian13:nonroot --format '{{.Manifest.Digest}}'
#   docker buildx build --build-arg BASE_IMAGE=gcr.io/distroless/cc-debian13:nonroot@sha256:... --build-arg RUST_IMAGE=...

# Both from the same Debian, so that the binary meets the C library that it was linked against.
ARG RUST_IMAGE=docker.io/library/rust:1.95.0-slim-trixie
# With glibc, not static on scratch: it is the C library that the tests and the benchmarks run on, and musl resolves names
# otherwise. Nothing in it but that, libgcc, authorities' certificates, time zones and a user: no shell, no package manager.
# rustls reads the authorities from /etc/ssl/certs/ca-certificates.crt, so they are renewed with the base, or by a mount.
ARG BASE_IMAGE=gcr.io/distroless/cc-debian13:nonroot

# Compilers run on the builder's own processor whatever the image is for: emulated, this build takes hours.
FROM --platform=$BUILDPLATFORM ${RUST_IMAGE} AS chef
ENV CARGO_INCREMENTAL=0 \
    CARGO_TERM_COLOR=never
RUN cargo install cargo-chef --version 0.1.78 --locked
WORKDIR /src

FROM chef AS planner
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM chef AS builder
ARG BUILDARCH
ARG TARGETARCH
# The C and assembly in it (AWS-LC, SQLite, zstd, mimalloc) needs a compiler and C headers for the target, nothing else:
# the bindings are generated already. Under this name Debian has the compiler on either processor.
ENV CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
    CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER=x86_64-linux-gnu-gcc
RUN case "$TARGETARCH" in \
      amd64) machine=x86_64 compiler=gcc-x86-64-linux-gnu ;; \
      arm64) machine=aarch64 compiler=gcc-aarch64-linux-gnu ;; \
      *) echo "no image for the processor '$TARGETARCH': amd64 or arm64, with BuildKit" >&2; exit 1 ;; \
    esac \
 && if [ "$TARGETARCH" != "$BUILDARCH" ]; then \
      apt-get update \
   && apt-get install --yes --no-install-recommends "$compiler" "libc6-dev-$TARGETARCH-cross" \
   && rm -rf /var/lib/apt/lists/* \
   && rustup target add "$machine-unknown-linux-gnu"; \
    fi \
 && echo "$machine-unknown-linux-gnu" > /target
# The dependencies, in a layer that lasts until Cargo.lock or a Cargo.toml changes.
COPY --from=planner /src/recipe.json recipe.json
RUN cargo chef cook --locked --profile dist --target "$(cat /target)" --package penstock --recipe-path recipe.json
COPY . .
RUN cargo build --locked --profile dist --target "$(cat /target)" --package penstock \
 && install -D "target/$(cat /target)/dist/penstock" /image/usr/bin/penstock \
 && install -D --mode=0644 LICENSE /image/usr/share/doc/penstock/LICENSE \
 && mkdir /data

FROM ${BASE_IMAGE} AS runtime
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="Penstock" \
      org.opencontainers.image.description="Receives mParticle's outbound calls and delivers them to a partner's API" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=builder /image/ /
# Ingress and worker over AWS write no file at all: run them with a read-only root file system, and without a volume.
# `run`, which keeps its queue in a file, wants a volume here; a new one begins with this folder's owner.
COPY --from=builder --chown=65532:65532 /data /var/lib/penstock
ENV PENSTOCK_DATA_DIR=/var/lib/penstock
WORKDIR /
# By number, so that an orchestrator can tell that it is not root.
USER 65532:65532
# mParticle's calls, and /healthz, /readyz, /metrics. The latter listen on loopback unless PENSTOCK_ADMIN says otherwise.
EXPOSE 8080 9090
# Drains; a second one ends at once. The stop timeout must be longer than the drain deadlines.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/penstock"]

# With a partner.toml, a path in this folder that .dockerignore lets through: partner.toml, partners/ or fixtures/partners/.
FROM runtime AS partner
ARG PARTNER
COPY --chmod=0444 ${PARTNER} /etc/penstock/partner.toml
ENV PENSTOCK_PARTNER=/etc/penstock/partner.toml

# Last, and so the default: nobody gets an example's partner by forgetting to name his own.
FROM runtime AS penstock
