# One image with the three programs: toyou-controller, toyou-dataplane and toyou.
#
#     docker build -t toyou.dev/toyou:0.1.0 .
#
# Any OCI builder will do (buildah, podman, kaniko): no BuildKit syntax is used. What the final image
# holds above debian:12-slim, and how large it is, stands in docs/install.md.
#
# Layers go from what changes seldom to what changes often, in both stages: a change of the sources
# compiles again and installs nothing again.

FROM debian:12-slim AS build
WORKDIR /source
COPY scripts/packages scripts/lib.sh scripts/
RUN bash -c '. scripts/lib.sh && install_packages build'
COPY CMakeLists.txt CMakePresets.json ./
COPY common common
COPY controller controller
COPY dataplane dataplane
COPY cli cli
# Tests are no part of the image, so they are neither in the build context nor configured.
RUN cmake --preset release -DTOYOU_TESTS=OFF \
 && ninja -C build toyou toyou-controller toyou-dataplane \
 && strip build/bin/toyou build/bin/toyou-controller build/bin/toyou-dataplane

FROM debian:12-slim
COPY scripts/packages scripts/lib.sh /tmp/scripts/
# The shared libraries come as packages, not as copied files: scanners then know their versions.
RUN bash -c '. /tmp/scripts/lib.sh && install_packages image' \
 && rm -rf /tmp/scripts /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/apt /var/log/dpkg.log
COPY --from=build /source/build/bin/ /usr/local/bin/

ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Toyou" \
      org.opencontainers.image.description="A Kubernetes ingress controller for WebSocket, SSE and HTTP" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="debian:12-slim"

# Numbers, so that a kubelet can see that it is not root (runAsNonRoot). Nothing is ever written outside
# of --snapshot-dir: a read-only root file system and no capabilities are fine.
USER 65532:65532
# 8080 HTTP, 8443 HTTPS; 9902 and 9903 are where the chart puts health and metrics.
EXPOSE 8080 8443 9902 9903
ENTRYPOINT ["toyou"]
CMD ["--help"]
