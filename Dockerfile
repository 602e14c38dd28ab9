# syntax=docker/dockerfile:1

# The dependencies of the running service. The npm package `node` is left to the base image, which has the same version;
# the built-in PostgreSQL is not installed, the database is another container.
FROM node:24.21.0-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts \
 && rm -rf node_modules/node node_modules/.bin/node node_modules/node-bin-* \
 && npm cache clean --force

FROM node:24.21.0-bookworm-slim
ENV NODE_ENV=production \
    HOST=0.0.0.0 \
    PORT=3000 \
    DATA_DIR=/data
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json ./
COPY migrations ./migrations
COPY schemas ./schemas
COPY src ./src
# The one folder that is written to: keys and the signed heads of the access log. Everything else may be read-only.
RUN install -d -o node -g node -m 0700 /data
VOLUME /data
USER node
EXPOSE 3000
# Docker probes every 5 seconds, and the service answers on for DRAIN_SECONDS (5) after it has reported "not ready".
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.PORT + '/health/ready').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
STOPSIGNAL SIGTERM
# node itself is process 1, so the signal reaches it; it starts no children that it would have to reap.
CMD ["node", "src/main.ts"]
