# syntax=docker/dockerfile:1

FROM node:24-slim AS build
WORKDIR /coatcheck
COPY package.json package-lock.json ./
COPY sdk/package.json sdk/
# Nothing here needs an install script: the image brings Node, and the database driver its binary.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY sdk sdk
COPY src src
RUN npm run build

FROM node:24-slim AS dependencies
WORKDIR /coatcheck
COPY package.json package-lock.json ./
COPY sdk/package.json sdk/
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:24-slim
ENV NODE_ENV=production \
    COATCHECK_HOST=0.0.0.0 \
    COATCHECK_DATABASE_URL=sqlite:/data/coatcheck.db
WORKDIR /coatcheck
COPY LICENSE package.json ./
COPY --from=dependencies /coatcheck/node_modules node_modules
COPY providers providers
COPY drizzle/sqlite drizzle/sqlite
COPY drizzle/postgres drizzle/postgres
COPY --from=build /coatcheck/dist dist
# What node_modules/@coatcheck/mcp links to.
COPY sdk/package.json sdk/
COPY --from=build /coatcheck/sdk/dist sdk/dist
RUN install --directory --owner=node --group=node --mode=0700 /data
USER node
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --start-interval=1s \
  CMD ["node", "-e", "const {COATCHECK_ISSUER: issuer, COATCHECK_PORT: port} = process.env; fetch('http://127.0.0.1:' + (port || 8080) + new URL(issuer || 'http://localhost').pathname.replace(/\\/$/, '') + '/healthz').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/cli.js"]
CMD ["serve"]
