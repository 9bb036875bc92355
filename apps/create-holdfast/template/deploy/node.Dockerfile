# A node with this application's contract in it, so that both roll out and back together.
# Build: docker build -f deploy/node.Dockerfile -t registry.example.com/{{name}}-node:1 .
ARG HOLDFAST_IMAGE=ghcr.io/holdfast/holdfast:{{version}}
FROM node:24-slim AS contract
WORKDIR /app
COPY package*.json ./
RUN npm ci
COPY holdfast.config.ts ./
RUN npx bun build holdfast.config.ts --target=bun --external=@holdfast/contract \
  --outfile=dist/holdfast.config.js

FROM ${HOLDFAST_IMAGE}
COPY --from=contract /app/dist/holdfast.config.js /app/
ENV HOLDFAST_CONTRACT=/app/holdfast.config.js
