#version 330 core
// Attribute places are filled in by pyrender. `tangent` carries our surface: kind, openness to the sky, to the key light.

layout(location = 0) in vec3 position;
layout(location = NORMAL_LOC) in vec3 normal;
layout(location = TANGENT_LOC) in vec4 tangent;
#ifdef TEXCOORD_0_LOC
layout(location = TEXCOORD_0_LOC) in vec2 texcoord_0;
out vec2 uv;
#endif
layout(location = COLOR_0_LOC) in vec4 color_0;

uniform mat4 V;
uniform mat4 P;

out vec3 world_position;
out vec3 world_normal;
out vec4 colour;
out vec2 openness;
flat out vec4 response; // scattering, strength and sharpness of the highlight, rim

// In the order of Surface in figure.py: skin, eye, wet, hair, matte.
const vec4 RESPONSES[5] = vec4[5](
    vec4(1.00, 0.16, 0.0, 1.0),
    vec4(0.35, 1.10, 2.0, 0.0),
    vec4(0.60, 0.40, 1.0, 0.0),
    vec4(0.20, 0.10, 0.0, 0.8),
    vec4(0.10, 0.03, 0.0, 0.6)
);
const float BACKDROP = 5.0;

void main()
{
    if (tangent.x > BACKDROP - 0.5) {
        gl_Position = vec4(position.xy, 0.99999, 1.0);
        response = vec4(-1.0);
    } else {
        gl_Position = P * V * vec4(position, 1.0);
        response = RESPONSES[int(tangent.x + 0.5)];
    }
    gl_Position.y = -gl_Position.y; // rows are read top first
    world_position = position;
    world_normal = normal;
    colour = color_0;
    openness = tangent.yz;
#ifdef TEXCOORD_0_LOC
    uv = texcoord_0;
#endif
}
