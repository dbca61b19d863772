/**
 * An id that an administrator gives a provider or a resource: it stands in paths, logs and as the member of an
 * object, where the one word of this shape that every object has already is no id.
 */
export const registeredIdPattern = /^(?!constructor$)[a-z0-9][a-z0-9_-]{0,63}$/
