export { captureContainer } from './capture-container.ts';
export { createImageCatalogue, type ImageCatalogue, type ResolvedImage } from './image-catalogue.ts';
export { createNodeAgent, type NodeAgent, type NodeAgentOptions } from './node-agent.ts';
